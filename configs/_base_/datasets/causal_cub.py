# CUB as the causal family's code trains on it: short side 304, random 224 crop, flip, batch 6. The
# test squashes to 224, so that the map covers the full frame.
_base_ = "./cub.py"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(304, 10_000), keep_ratio=True),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(batch_size=6, dataset=dict(pipeline=train_pipeline))
