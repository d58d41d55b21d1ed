# The localization expert as the text has it. Weight: section IV-B; threshold: Inception V3's released
# one; steps of the rate: the released code.
_base_ = ["./vgg16_cub_ci_cam_paper.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
model.head = dict(rho=1.0)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=14, gamma=0.5, by_epoch=True),
]
default_hooks = _base_.pop("kg_experts").loc.default_hooks
