# DDT with VGG-16 on CUB-200-2011 (PSOL's code: 448 px squash). The classifier's schedule is ours.
_base_ = [
    "../_base_/models/vgg16_ddt.py",
    "../_base_/datasets/cub_448.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
# a projection's zero is the border of the object
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
