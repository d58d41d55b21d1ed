# Hide-and-Seek with EfficientNet-Lite0 on CUB-200-2011 or a part of it. 4x4 cells and a half of them hidden,
# not searched.
_base_ = ["../cam/efficientnet_lite0_cub.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").efficientnet_lite0, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
