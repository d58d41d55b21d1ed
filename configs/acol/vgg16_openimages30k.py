# ACoL with VGG-16 on OpenImages30k.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = ["../cam/vgg16_openimages30k.py", "../_base_/methods/acol.py"]

model = _base_.pop("acol").vgg16.model
