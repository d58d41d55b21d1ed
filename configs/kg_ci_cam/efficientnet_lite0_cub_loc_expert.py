# KG-CI-CAM's localization expert with EfficientNet-Lite0 on CUB-200-2011 or a part
# of it, with the weight of most networks on CUB.
_base_ = ["../ci_cam/efficientnet_lite0_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
default_hooks = _base_.pop("kg_experts").loc.default_hooks
