# Hide-and-Seek with a narrow ResNet-18 on toy scenes, from scratch. 6x6 cells.
_base_ = ["../cam/resnet18_toy.py", "../_base_/methods/has.py"]

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(_base_.pop("has").resnet18_toy, mean=_base_.data_preprocessor.mean),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
