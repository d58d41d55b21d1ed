# Hide-and-Seek with Inception V3 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/inception_v3_cub.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").inception_v3, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1.400558066e-2))
