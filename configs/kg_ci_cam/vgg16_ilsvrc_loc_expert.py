# KG-CI-CAM's localization expert with VGG-16 on ILSVRC. Weights and rate: section IV-B; batch: the
# released code (the text has 84), which has threshold 0; this is Inception V3's.
_base_ = ["../ci_cam/vgg16_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
model.loss_difference.loss_weight = 1.0
model.loss_area = dict(type="wsol_mm.AreaLoss", loss_weight=1e-6)
train_dataloader = dict(batch_size=36)
optim_wrapper = dict(optimizer=dict(lr=6e-5))
auto_scale_lr = dict(base_batch_size=36)
default_hooks = _base_.pop("kg_experts").loc.default_hooks
