# ILSVRC 2012 for binary-class detectors. val is ImageNetV2, test is the official validation split.
_base_ = "./cub_det.py"

dataset_type = "wsol_mm.ILSVRC"
data_root = "data/ILSVRC"
train_dataloader = dict(
    num_workers=8,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pseudo_boxes="data/pseudo_boxes/c2am_ilsvrc.json",
    ),
)
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
