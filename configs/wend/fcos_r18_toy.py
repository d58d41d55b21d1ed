# WEND with FCOS and a narrow ResNet-18 on 96 px toy scenes, from random weights.
_base_ = [
    "../_base_/models/fcos_r50_c5.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_toy_adam_24e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").cub,
    detector=dict(
        # configs/cam/resnet18_toy.py's backbone, 12x12 cells of 8 px
        backbone=dict(
            _delete_=True,
            type="mmpretrain.ResNet",
            depth=18,
            base_channels=16,
            strides=(1, 2, 1, 1),
        ),
        bbox_head=dict(
            in_channels=128,
            feat_channels=128,
            strides=[8],
        ),
    ),
)
# 12 epochs train about as long on a CPU as the 24 of configs/psol/scr_r18_toy.py
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=12, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=12, val_interval=1)
