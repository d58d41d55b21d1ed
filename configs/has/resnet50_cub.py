# Hide-and-Seek with ResNet-50 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = ["../cam/resnet50_cub.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").resnet50, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=3.61996526e-3))
