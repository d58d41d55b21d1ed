# WEND's schedule for FCOS, Faster R-CNN and CLN on CUB: batch 256 in all, learning rate .004 for the
# backbone and .008 for the heads, cosine to 0 at every iteration.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.008, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))),
)
# T_max is the number of epochs: change both together
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=50, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=50, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(enable=False, base_batch_size=256)
