# Hide-and-Seek with VGG-16 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties; another copy has 1.42891848e-3 and grid 4.
_base_ = ["../cam/vgg16_cub.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").vgg16, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=3.42891848e-3))
