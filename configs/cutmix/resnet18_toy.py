# CutMix with a narrow ResNet-18 on toy scenes, from scratch. Every second batch, any box size.
_base_ = ["../cam/resnet18_toy.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").default
