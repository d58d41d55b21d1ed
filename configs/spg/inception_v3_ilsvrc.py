# SPG with Inception V3 on ILSVRC.
# Learning rate: CAM's on this data set; thresholds: CUB's. Default, not searched.
_base_ = ["../cam/inception_v3_ilsvrc.py", "../_base_/methods/spg.py"]

model = _base_.pop("spg").inception_v3.model
