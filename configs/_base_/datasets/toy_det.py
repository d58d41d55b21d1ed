# Procedural toy scenes for binary-class detectors, 96 px:
# `python tools/dataset_converters/make_toy.py --out data/toy`.
_base_ = "./cub_det.py"

dataset_type = "wsol_mm.ToyScenes"
data_root = "data/toy"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmdet.Resize", scale=(96, 96), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmdet.PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(96, 96)),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pseudo_boxes="data/pseudo_boxes/cam_toy.json",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = dict(
    num_workers=1,
    dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline),
)
