# KG-CI-CAM's classification expert with Inception V3 on ILSVRC. Weight, batch and rate (ten times the
# localization expert's): section IV-B; the threshold is CUB's.
_base_ = ["../ci_cam/inception_v3_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
train_dataloader = dict(batch_size=72)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=72)
default_hooks = _base_.pop("kg_experts").cls.default_hooks
