# Hide-and-Seek with VGG-16 on OpenImages30k.
# Default, not searched: the settings of vgg16_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/vgg16_openimages30k.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").vgg16, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
