# NL-CCAM with Inception V3 on ILSVRC. Rate and batch: KG-CI-CAM, section IV-B (its student's, the
# network that localizes). Combination: as vgg16_ilsvrc.py.
_base_ = [
    "../_base_/models/inception_v3_nl.py",
    "../_base_/datasets/causal_ilsvrc_299.py",
    "../_base_/schedules/causal_20e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(combination=dict(name="top1_minus_lowest", lowest=20)))
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=9e-5))
auto_scale_lr = dict(base_batch_size=128)
