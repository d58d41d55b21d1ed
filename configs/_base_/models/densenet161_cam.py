# DenseNet-161 as it is: 7x7 maps for 224 px images, since its poolings sit between the stages.
_base_ = ["mmpretrain::_base_/models/densenet/densenet161.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/densenet/densenet161_4xb256_in1k_20220426-ee6a80a9.pth",
            prefix="backbone.",
        ),
    ),
    neck=None,
    head=dict(type="wsol_mm.CAMHead"),
)
optim_wrapper = dict(
    optimizer=dict(weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10))),
)
