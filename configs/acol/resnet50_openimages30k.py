# ACoL with ResNet-50 on OpenImages30k.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = ["../cam/resnet50_openimages30k.py", "../_base_/methods/acol.py"]

model = _base_.acol.resnet50.model
optim_wrapper = _base_.pop("acol").resnet50.optim_wrapper
