# ADL with Inception V3 on ILSVRC.
# Default, not searched: the settings of inception_v3_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/inception_v3_ilsvrc.py", "../_base_/methods/adl.py"]

model = _base_.pop("adl").inception_v3
