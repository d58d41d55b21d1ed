# EfficientNet-B7 as the classifier beside class-agnostic boxes, ImageNet weights of AutoAugment. The same
# linear layer also draws CAMs, so that it is a localizer like any other. Those weights take ImageNet's
# mean and deviation; the AdvProp ones do not.
_base_ = ["mmpretrain::_base_/models/efficientnet_b7.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/efficientnet/efficientnet-b7_3rdparty_8xb32-aa_in1k_20220119-bf03951c.pth",
            prefix="backbone.",
        )
    ),
    neck=None,
    head=dict(type="wsol_mm.CAMHead"),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"head": dict(lr_mult=10)}))
