# ResNet-50 without the last stage's stride: 14x14 maps (strides=(1, 2, 1, 1): 28x28).
_base_ = ["mmpretrain::_base_/models/resnet50.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        strides=(1, 2, 2, 1),
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/resnet/resnet50_8xb32_in1k_20210831-ea4938fc.pth",
            prefix="backbone.",
        ),
    ),
    neck=None,
    head=dict(type="wsol_mm.CAMHead"),
)
optim_wrapper = dict(
    optimizer=dict(weight_decay=1e-4),
    # the benchmark counts the last stage to the head
    paramwise_cfg=dict(custom_keys={"backbone.layer4": dict(lr_mult=10), "head": dict(lr_mult=10)}),
)
