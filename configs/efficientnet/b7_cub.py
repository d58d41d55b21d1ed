# EfficientNet-B7 fine-tuned on CUB-200-2011, seen as C2AM's code does in its test: squashed to 685, the
# middle 600 px. The training (random crop, flip, schedule) is ours: the authors publish weights only.
_base_ = [
    "../_base_/models/efficientnet_b7_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/cam_50e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(685, 685)),
    dict(type="wsol_mm.RandomCrop", crop_size=600),
    *_base_.train_pipeline[3:],
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(685, 685)),
    dict(type="wsol_mm.CenterCrop", crop_size=600),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=16, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(batch_size=16, dataset=dict(pipeline=test_pipeline))
# a crop is compared in itself
val_evaluator = dict(protocol="c2am")
test_evaluator = dict(protocol="c2am")
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
