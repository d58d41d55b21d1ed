# OpenImages30k of the reference benchmark: instance masks and ignore masks, scored by PxAP.
_base_ = "./cub.py"

dataset_type = "wsol_mm.OpenImages30k"
data_root = "data/OpenImages30k"
data_preprocessor = dict(num_classes=100)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
