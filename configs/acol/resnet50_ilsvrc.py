# ACoL with ResNet-50 on ILSVRC.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = [
    "../_base_/models/resnet50_acol.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(backbone=dict(strides=(1, 2, 1, 1)))  # 28x28 maps
optim_wrapper = dict(optimizer=dict(lr=3.108411e-5))
