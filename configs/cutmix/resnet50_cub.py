# CutMix with ResNet-50 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/resnet50_cub.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").resnet50
optim_wrapper = dict(optimizer=dict(lr=3.333722e-4))
