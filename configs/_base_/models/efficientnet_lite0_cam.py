# EfficientNet-Lite0 with the last stage's stride left out: 1280 x 14x14 maps for 224 px images
# (output_stride=8: 28x28, 3.5 times the multiply-adds). A config takes its normalisation too:
# `data_preprocessor = _base_.pop("efficientnet_lite0").data_preprocessor`.
_base_ = ["./efficientnet_lite0.py", "../schedules/cam_sgd.py"]

model = dict(
    type="wsol_mm.WSOLClassifier",
    backbone=dict(_base_.efficientnet_lite0.backbone, output_stride=16),
    head=dict(type="wsol_mm.CAMHead", num_classes=1000, in_channels=1280),
)
optim_wrapper = dict(
    # .01 forgets what ImageNet taught: Top-1 Cls on ten classes of CUB falls from 65 to 40 %
    optimizer=dict(lr=0.002, weight_decay=1e-4),
    # the longer key counts: the backbone has a `conv_head`
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10), backbone=dict(lr_mult=1))),
)
