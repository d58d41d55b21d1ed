# SPG with ResNet-50 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = [
    "../_base_/models/resnet50_spg.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/cam_50e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    backbone=dict(strides=(1, 2, 1, 1)),  # 28x28 maps
    head=dict(num_classes=200),
)
optim_wrapper = dict(optimizer=dict(lr=4.521947e-5))
