# ACoL with ResNet-50 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/resnet50_cub.py", "../_base_/methods/acol.py"]

model = _base_.acol.resnet50.model
optim_wrapper = dict(_base_.pop("acol").resnet50.optim_wrapper, optimizer=dict(lr=1.700073e-5))
