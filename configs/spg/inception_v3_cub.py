# SPG with Inception V3 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/inception_v3_cub.py", "../_base_/methods/spg.py"]

model = _base_.pop("spg").inception_v3.model
optim_wrapper = dict(optimizer=dict(lr=3.360682e-4))
