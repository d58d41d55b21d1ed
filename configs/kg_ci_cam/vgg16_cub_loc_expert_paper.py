# The localization expert as the text has it. Weight: section IV-B; threshold: Inception V3's released
# one; steps of the rate: the released code.
_base_ = "./vgg16_cub_ci_cam_paper.py"

model = dict(
    type="wsol_mm.CausalExpert",
    head=dict(rho=1.0),
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
    threshold=0.25,
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=14, gamma=0.5, by_epoch=True),
]
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
