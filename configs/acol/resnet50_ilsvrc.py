# ACoL with ResNet-50 on ILSVRC.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = ["../cam/resnet50_ilsvrc.py", "../_base_/methods/acol.py"]

# the benchmark keeps the ImageNet classifier with CAM alone
_base_.model.head.pop("init_cfg")
model = _base_.acol.resnet50.model
optim_wrapper = _base_.pop("acol").resnet50.optim_wrapper
