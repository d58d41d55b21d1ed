# ACoL with VGG-16 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/vgg16_cub.py", "../_base_/methods/acol.py"]

model = _base_.pop("acol").vgg16.model
optim_wrapper = dict(optimizer=dict(lr=1.0569582e-4))
