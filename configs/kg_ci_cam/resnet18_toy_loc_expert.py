# KG-CI-CAM's localization expert on toy scenes, with the weight of most networks on CUB.
_base_ = "../ci_cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
    threshold=0.25,
)
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
