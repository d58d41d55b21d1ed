# ILSVRC as the causal family's code trains on it: short side 240, random 224 crop, flip.
_base_ = "./ilsvrc.py"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(240, 10_000), keep_ratio=True),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
