# C2AM with ResNet-50 on CUB-200-2011, supervised ImageNet weights (alpha .05).
_base_ = [
    "../_base_/models/resnet50_c2am.py",
    "../_base_/datasets/cub_448.py",
    "../_base_/schedules/c2am_20e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
train_dataloader = dict(batch_size=16)
# thresholds are shares of the maximum, as the authors'
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
