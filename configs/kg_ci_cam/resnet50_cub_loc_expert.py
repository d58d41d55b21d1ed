# KG-CI-CAM's localization expert with ResNet-50 on CUB-200-2011. Weight: section IV-B; the threshold is
# Inception V3's.
_base_ = "../ci_cam/resnet50_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
    threshold=0.25,
)
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
