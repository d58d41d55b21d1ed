# C2AM with ResNet-50 on ILSVRC, supervised ImageNet weights (alpha .05).
_base_ = [
    "../_base_/models/resnet50_c2am.py",
    "../_base_/datasets/ilsvrc_448.py",
    "../_base_/schedules/c2am_5e.py",
    "../_base_/cls_runtime.py",
]

train_dataloader = dict(batch_size=64)
# thresholds are shares of the maximum, as the authors'
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
