# CutMix with VGG-16 on ILSVRC.
# Default, not searched: the settings of vgg16_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/vgg16_ilsvrc.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").vgg16
