# Hide-and-Seek with ResNet-50 on ILSVRC.
# Default, not searched: the settings of resnet50_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/resnet50_ilsvrc.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").resnet50, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
