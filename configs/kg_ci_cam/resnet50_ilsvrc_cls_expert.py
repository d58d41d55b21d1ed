# KG-CI-CAM's classification expert with ResNet-50 on ILSVRC. Weight and rate: section IV-B; the
# threshold is Inception V3's.
_base_ = ["../ci_cam/resnet50_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
optim_wrapper = dict(optimizer=dict(lr=7.5e-4))
default_hooks = _base_.pop("kg_experts").cls.default_hooks
