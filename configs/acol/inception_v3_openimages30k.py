# ACoL with Inception V3 on OpenImages30k.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = ["../cam/inception_v3_openimages30k.py", "../_base_/methods/acol.py"]

model = _base_.pop("acol").inception_v3.model
