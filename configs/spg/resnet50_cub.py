# SPG with ResNet-50 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/resnet50_cub.py", "../_base_/methods/spg.py"]

model = _base_.spg.resnet50.model
optim_wrapper = dict(_base_.pop("spg").resnet50.optim_wrapper, optimizer=dict(lr=4.521947e-5))
