# Thirty classes of Tiny ImageNet in class folders, one box each in a csv, 64 px drawn at 128.
_base_ = "./cub.py"

dataset_type = "wsol_mm.FolderWSOL"
data_root = "data/tiny_imagenet_mini"
data_preprocessor = dict(num_classes=30)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(144, 144)),
    dict(type="wsol_mm.RandomCrop", crop_size=128),
    *_base_.train_pipeline[3:],
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(128, 128)),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
