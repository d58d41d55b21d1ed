# CUB-200-2011 for binary-class detectors. Training sees only the pseudo boxes of one class; evaluation
# reads the true boxes, in the original frame. val is CUBV2, test is only ever reported.
# Squash to 256, random 224 crop, flip; test squashes to 224 and so sees the full frame (the paper's
# centre crop of 256 loses the border of the image).
dataset_type = "wsol_mm.CUB"
data_root = "data/CUB_200_2011"
metainfo = dict(classes=("object",))

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(type="mmdet.Resize", scale=(256, 256), keep_ratio=False),
    # a crop without the object is pure background; no_box='entropy' and 'resample' are the others
    dict(
        type="wsol_mm.BoxCrop",
        crop=dict(type="mmdet.RandomCrop", crop_size=(224, 224)),
        no_box="background",
    ),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(
        type="mmdet.PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "entropy_only"),
    ),
]
# boxes are loaded behind the resize, so they stay in the original frame
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(224, 224)),
    dict(type="mmdet.LoadAnnotations", with_bbox=True),
    dict(
        type="mmdet.PackDetInputs",
        meta_keys=(
            "img_id",
            "img_path",
            "ori_shape",
            "img_shape",
            "scale_factor",
            "homography_matrix",
            "gt_label",
        ),
    ),
]
# the paper's view and test, for configs named _paper: squashed to 256, the middle 224 px seen
centre_crop_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(256, 256)),
    dict(type="wsol_mm.CenterCrop", crop_size=224),
    *test_pipeline[2:],
]

train_dataloader = dict(
    batch_size=64,  # on each of 4 GPUs
    num_workers=4,
    persistent_workers=False,  # exact resume, see wsol_mm.SeedHook
    pin_memory=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=None,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        split="train",
        supervision="pseudo_boxes",
        pseudo_boxes="data/pseudo_boxes/c2am_cub.json",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    pin_memory=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        split="val",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader["dataset"], split="test"))
val_evaluator = dict(type="wsol_mm.WSOLMetric")
test_evaluator = dict(type="wsol_mm.WSOLMetric")
