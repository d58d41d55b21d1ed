# Hide-and-Seek with Inception V3 on OpenImages30k.
# Default, not searched: the settings of inception_v3_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/inception_v3_openimages30k.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").inception_v3, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
