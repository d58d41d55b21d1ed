# KG-CI-CAM's classification expert with VGG-16 on CUB-200-2011. Weights: section IV-B; threshold: the
# released code.
_base_ = ["../ci_cam/vgg16_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
model.update(loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04), threshold=0.08)
default_hooks = _base_.pop("kg_experts").cls.default_hooks
