# CAM with Inception V3 cut after Mixed_6e, 299 px images, on CUB-200-2011. The rate is that of
# inception_v3_cub.py, not tuned for this network.
_base_ = [
    "../_base_/models/inception_v3_299_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/cam_50e.py",
    "../_base_/cls_runtime.py",
]

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(342, 342)),
    dict(type="wsol_mm.RandomCrop", crop_size=299),
    dict(type="wsol_mm.RandomFlip", prob=0.5),
    dict(type="wsol_mm.PackWSOLInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(299, 299)),
    dict(type="wsol_mm.LoadMasks"),
    dict(type="wsol_mm.PackWSOLInputs"),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
model = dict(head=dict(num_classes=200))
optim_wrapper = dict(optimizer=dict(lr=2.24844746e-3))
