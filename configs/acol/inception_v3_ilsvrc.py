# ACoL with Inception V3 on ILSVRC.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = ["../cam/inception_v3_ilsvrc.py", "../_base_/methods/acol.py"]

model = _base_.pop("acol").inception_v3.model
