# Data of your own for binary-class detectors: a COCO json for each split (docs/datasets.md).
# Training sees only the pseudo boxes, a file made by tools/pseudo_boxes.py.
_base_ = "./cub_det.py"

dataset_type = "wsol_mm.CocoWSOL"
data_root = "data/mine"
train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, pseudo_boxes="data/pseudo_boxes/mine.json")
)
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
