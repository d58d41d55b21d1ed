# ADL with ResNet-50 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/resnet50_cub.py", "../_base_/methods/adl.py"]

model = _base_.pop("adl").resnet50
optim_wrapper = dict(optimizer=dict(lr=1.253438325e-2))
