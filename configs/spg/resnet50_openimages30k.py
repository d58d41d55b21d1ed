# SPG with ResNet-50 on OpenImages30k.
# Learning rate: CAM's on this data set; thresholds: CUB's. Default, not searched.
_base_ = ["../cam/resnet50_openimages30k.py", "../_base_/methods/spg.py"]

model = _base_.spg.resnet50.model
optim_wrapper = _base_.pop("spg").resnet50.optim_wrapper
