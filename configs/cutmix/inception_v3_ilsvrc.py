# CutMix with Inception V3 on ILSVRC.
# Default, not searched: the settings of inception_v3_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/inception_v3_ilsvrc.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").inception_v3
