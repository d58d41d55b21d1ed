# NL-CCAM with ResNet-50 on ILSVRC. Rate and batch: KG-CI-CAM, section IV-B (its student's, the
# network that localizes). Combination: as vgg16_ilsvrc.py.
_base_ = [
    "../_base_/models/resnet50_nl.py",
    "../_base_/datasets/causal_ilsvrc.py",
    "../_base_/schedules/causal_20e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(combination=dict(name="top1_minus_lowest", lowest=20)))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
auto_scale_lr = dict(base_batch_size=32)
