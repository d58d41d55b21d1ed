# NL-CCAM with VGG-16 on ILSVRC: two more convolutions and one non-local block fewer than on CUB, and
# the combination of the causal family's released code. Rate and batch: CI-CAM, section 4.2.
_base_ = [
    "../_base_/models/vgg16_nl.py",
    "../_base_/datasets/causal_ilsvrc.py",
    "../_base_/schedules/causal_20e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    backbone=dict(out_channels=(1024, 1024)),
    layers=_base_.model.layers[1:],
    head=dict(in_channels=1024, combination=dict(name="top1_minus_lowest", lowest=20)),
)
train_dataloader = dict(batch_size=40)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
auto_scale_lr = dict(base_batch_size=40)
