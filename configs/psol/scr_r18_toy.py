# Single-class regression with a narrow ResNet-18 on 96 px toy scenes, from random weights.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_toy_8e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    # configs/cam/resnet18_toy.py's backbone
    backbone=dict(
        _delete_=True,
        type="mmpretrain.ResNet",
        depth=18,
        base_channels=16,
        strides=(1, 2, 1, 1),
    ),
    bbox_head=dict(in_channels=128),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
# pooled features learn places slowly: 8 epochs are far from enough
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=60, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=60)
