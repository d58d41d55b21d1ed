# ILSVRC 2012 for single-class regression, cropped as in cub_scr.py.
_base_ = "./ilsvrc_det.py"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmdet.RandomCrop", crop_type="relative_range", crop_size=(0.45, 0.45)),
    dict(type="mmdet.Resize", scale=(224, 224), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmdet.PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
