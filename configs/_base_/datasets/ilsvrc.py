# ILSVRC 2012 localization. val is ImageNetV2 with the reference benchmark's boxes, test is the
# official validation split.
_base_ = "./cub.py"

dataset_type = "wsol_mm.ILSVRC"
data_root = "data/ILSVRC"
data_preprocessor = dict(num_classes=1000)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
