# CUB-200-2011 for single-class regression: crops of 20 % of the image and more, as in PSOL's and C2AM's
# code (theirs draw area and aspect, these both sides). A crop that lost its object is replaced by
# another image, and so is an image without a pseudo box: there is no background to learn.
_base_ = "./cub_det.py"

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmdet.RandomCrop", crop_type="relative_range", crop_size=(0.45, 0.45)),
    dict(type="mmdet.Resize", scale=(224, 224), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmdet.PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
