# A narrow ResNet-18 from scratch for 96 px toy scenes: 12x12 maps.
_base_ = ["mmpretrain::_base_/models/resnet18.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(base_channels=16, strides=(1, 2, 1, 1)),
    neck=None,
    head=dict(type="wsol_mm.CAMHead", num_classes=6, in_channels=128),
)
