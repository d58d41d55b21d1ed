# DDT on VGG-16 as PSOL runs it: frozen ImageNet weights, behind the last pooling, 448 px: 14x14
# descriptors of 512. Only the linear classifier trains; wsol_mm.FitDDTHook computes the rest.
_base_ = ["mmpretrain::_base_/models/vgg16.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        num_classes=-1,
        frozen_stages=5,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(type="wsol_mm.DDTHead", num_classes=1000, in_channels=512),
)
custom_hooks = [
    dict(
        type="wsol_mm.FitDDTHook",
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="wsol_mm.Resize", scale=(448, 448)),
            dict(type="wsol_mm.PackWSOLInputs"),
        ],
    )
]
