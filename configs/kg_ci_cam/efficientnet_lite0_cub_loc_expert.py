# KG-CI-CAM's localization expert with EfficientNet-Lite0 on CUB-200-2011 or a part
# of it, with the weight of most networks on CUB.
_base_ = "../ci_cam/efficientnet_lite0_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
    threshold=0.25,
)
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
