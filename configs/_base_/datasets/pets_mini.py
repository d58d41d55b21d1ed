# A part of Oxford-IIIT Pet (Parkhi et al., CVPR 2012) as COCO json with masks: class folders, boxes that are
# the tight ones of the trimaps. Masks are read for evaluation alone. Views as on CUB.
_base_ = "./cub.py"

dataset_type = "wsol_mm.CocoWSOL"
data_root = "data/pets_mini"
data_preprocessor = dict(num_classes=3)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, masks="masks"))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, masks="masks"))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, masks="masks"))
