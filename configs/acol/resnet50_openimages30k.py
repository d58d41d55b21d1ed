# ACoL with ResNet-50 on OpenImages30k.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = [
    "../_base_/models/resnet50_acol.py",
    "../_base_/datasets/openimages30k.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=1.07117324e-3))
default_hooks = dict(checkpoint=dict(save_best="wsol/pxap"))
