# Toy scenes: batch 16, 8 epochs. The toy detectors' eta of 1/8 divides the supervised gradient by
# eight: the rate makes up for it.
_base_ = "./wend_sgd_50e.py"

optim_wrapper = dict(optimizer=dict(lr=0.32), clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=8, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=8)
auto_scale_lr = dict(base_batch_size=16)
