# CutMix with VGG-16 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/vgg16_cub.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").vgg16
optim_wrapper = dict(optimizer=dict(lr=3.220934e-5))
