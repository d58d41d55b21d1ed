# CutMix with Inception V3 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/inception_v3_cub.py", "../_base_/methods/cutmix.py"]

data_preprocessor = _base_.pop("cutmix").inception_v3
optim_wrapper = dict(optimizer=dict(lr=2.25171726e-3))
