# Procedural toy scenes: `python tools/dataset_converters/make_toy.py --out data/toy`.
_base_ = "./cub.py"

dataset_type = "wsol_mm.ToyScenes"
data_root = "data/toy"
data_preprocessor = dict(num_classes=6)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.RandomFlip", prob=0.5),
    dict(type="wsol_mm.PackWSOLInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.LoadMasks"),
    dict(type="wsol_mm.PackWSOLInputs"),
]
train_dataloader = dict(
    num_workers=1, dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(
    num_workers=1, dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline)
)
test_dataloader = dict(
    num_workers=1, dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline)
)
