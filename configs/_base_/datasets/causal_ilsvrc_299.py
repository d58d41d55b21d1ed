# The same for Inception V3: no size is published, so the 240 of 224 in proportion.
_base_ = "./causal_ilsvrc.py"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(320, 10_000), keep_ratio=True),
    dict(type="wsol_mm.RandomCrop", crop_size=299),
    *_base_.train_pipeline[3:],
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(299, 299)),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
