# KG-CI-CAM's localization expert on toy scenes, with the weight of most networks on CUB.
_base_ = ["../ci_cam/resnet18_toy.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
default_hooks = _base_.pop("kg_experts").loc.default_hooks
