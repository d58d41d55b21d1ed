# KG-CI-CAM's localization expert with ResNet-50 on ILSVRC. Weight, batch and rate: section IV-B; the
# threshold is Inception V3's.
_base_ = ["../ci_cam/resnet50_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
model.loss_difference.loss_weight = 1.0
train_dataloader = dict(batch_size=24)
optim_wrapper = dict(optimizer=dict(lr=1.4e-5))
auto_scale_lr = dict(base_batch_size=24)
default_hooks = _base_.pop("kg_experts").loc.default_hooks
