# ILSVRC 2012 for makers of pseudo boxes: images localized at 448 px.
_base_ = "./ilsvrc.py"

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(448, 448)),
    *_base_.test_pipeline[2:],
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
