# CutMix with ResNet-50 on OpenImages30k.
# Default, not searched: the settings of resnet50_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/resnet50_openimages30k.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").resnet50
