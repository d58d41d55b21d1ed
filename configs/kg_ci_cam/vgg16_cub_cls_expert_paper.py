# The classification expert as the text has it. Weights: section IV-B; threshold and steps of the rate,
# which it does not give: the released code.
_base_ = "./vgg16_cub_ci_cam_paper.py"

model = dict(
    type="wsol_mm.CausalExpert",
    head=dict(rho=1.0),
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04),
    threshold=0.08,
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=14, gamma=0.5, by_epoch=True),
]
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
