# The classification expert as the text has it. Weights: section IV-B; threshold and steps of the rate,
# which it does not give: the released code.
_base_ = ["./vgg16_cub_ci_cam_paper.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
model.update(
    head=dict(rho=1.0),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04),
    threshold=0.08,
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=14, gamma=0.5, by_epoch=True),
]
default_hooks = _base_.pop("kg_experts").cls.default_hooks
