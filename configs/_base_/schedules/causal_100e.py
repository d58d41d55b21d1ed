# The causal family's schedule on CUB: batch 6, 100 epochs, at epoch e (from 0) the rate times
# (1 - e / 100)^0.9, and half of it every 14 epochs. mmengine's PolyLR reaches 0 one epoch before its
# `end`: hence 101.
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0, by_epoch=True, end=101),
    dict(type="StepLR", step_size=14, gamma=0.5, by_epoch=True),
]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=6)
