# DDT with VGG-16 on ILSVRC (PSOL's code: 448 px squash). The network's own ImageNet classifier reads
# other features, so a linear one trains here too.
_base_ = [
    "../_base_/models/vgg16_ddt.py",
    "../_base_/datasets/ilsvrc_448.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

# a projection's zero is the border of the object
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
