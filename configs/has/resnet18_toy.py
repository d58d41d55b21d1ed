# Hide-and-Seek with a narrow ResNet-18 on toy scenes, from scratch. 6x6 cells.
_base_ = "../cam/resnet18_toy.py"

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(
        type="wsol_mm.HideAndSeek",
        grid_size=16,
        drop_rate=0.5,
        mean=_base_.data_preprocessor.mean,
    ),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
