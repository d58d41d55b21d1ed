# VGG-16 with a pooling tail (VGG-GAP), 14x14 maps; ImageNet weights for conv1 to conv5 only.
_base_ = ["mmpretrain::_base_/models/vgg16.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        _delete_=True,
        type="wsol_mm.VGGGAP",
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(type="wsol_mm.CAMHead", num_classes=1000, in_channels=1024),
)
optim_wrapper = dict(
    optimizer=dict(weight_decay=5e-4),
    # what is new learns ten times as fast
    paramwise_cfg=dict(custom_keys={"backbone.conv6": dict(lr_mult=10), "head": dict(lr_mult=10)}),
)
