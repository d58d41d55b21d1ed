# CutMix with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Every second batch, any box size, not
# searched.
_base_ = ["../cam/efficientnet_lite0_cub.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").default
