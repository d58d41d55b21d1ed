# CUB-200-2011 for makers of pseudo boxes: training as ever, images localized at 448 px, all of them.
_base_ = "./cub.py"

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(448, 448)),
    *_base_.test_pipeline[2:],
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
