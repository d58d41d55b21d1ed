# CUB-200-2011 for localizers. val is CUBV2 (1000 images collected apart), which every selection
# reads; test is the official test split and only ever reported.
# Augmentation of the reference benchmark: squash to 256, random 224 crop, flip; test squashes to
# 224, so that the map covers the full frame.
dataset_type = "wsol_mm.CUB"
data_root = "data/CUB_200_2011"
data_preprocessor = dict(
    num_classes=200,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(256, 256)),
    dict(type="wsol_mm.RandomCrop", crop_size=224),
    dict(type="wsol_mm.RandomFlip", prob=0.5),
    dict(type="wsol_mm.PackWSOLInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(224, 224)),
    dict(type="wsol_mm.LoadMasks"),
    dict(type="wsol_mm.PackWSOLInputs"),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,  # exact resume, see wsol_mm.SeedHook
    pin_memory=True,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    pin_memory=True,
    collate_fn=dict(type="default_collate"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, split="val", test_mode=True, pipeline=test_pipeline
    ),
)
test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader["dataset"], split="test"))
val_evaluator = dict(type="wsol_mm.WSOLMetric", threshold="oracle")
test_evaluator = dict(type="wsol_mm.WSOLMetric", threshold="val")
