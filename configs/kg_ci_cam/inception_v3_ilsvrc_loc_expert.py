# KG-CI-CAM's localization expert with Inception V3 on ILSVRC. Weight, batch and rate: section IV-B; the
# threshold is CUB's.
_base_ = ["../ci_cam/inception_v3_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
model.loss_difference.loss_weight = 1.0
train_dataloader = dict(batch_size=72)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
auto_scale_lr = dict(base_batch_size=72)
default_hooks = _base_.pop("kg_experts").loc.default_hooks
