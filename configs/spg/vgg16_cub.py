# SPG with VGG-16 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/vgg16_cub.py", "../_base_/methods/spg.py"]

model = _base_.spg.vgg16.model
optim_wrapper = dict(_base_.pop("spg").vgg16.optim_wrapper, optimizer=dict(lr=1.2558923e-4))
