# KG-CI-CAM's localization expert with ResNet-50 on CUB-200-2011. Weight: section IV-B; the threshold is
# Inception V3's.
_base_ = ["../ci_cam/resnet50_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
default_hooks = _base_.pop("kg_experts").loc.default_hooks
