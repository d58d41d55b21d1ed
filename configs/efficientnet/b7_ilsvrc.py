# The public EfficientNet-B7 on ILSVRC, seen as on CUB. Meant for tests of the published checkpoint,
# classifier included; the schedule is ours.
_base_ = "./b7_cub.py"

dataset_type = "wsol_mm.ILSVRC"
data_root = "data/ILSVRC"
data_preprocessor = dict(num_classes=1000)
model = dict(head=dict(num_classes=1000))
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
param_scheduler = dict(milestones=[2, 5, 8])
train_cfg = dict(max_epochs=10)
