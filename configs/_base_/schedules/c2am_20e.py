# C2AM on CUB: 20 epochs of 16 images, rate down to 0 by a power of .9 at every iteration.
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0, by_epoch=True, end=20, convert_to_iter_based=True)
]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=16)
