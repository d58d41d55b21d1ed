# ADL with VGG-16 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/vgg16_cub.py", "../_base_/methods/adl.py"]

model = _base_.pop("adl").vgg16
optim_wrapper = dict(optimizer=dict(lr=2.430601e-5))
