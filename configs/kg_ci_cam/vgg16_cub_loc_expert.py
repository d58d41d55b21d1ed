# KG-CI-CAM's localization expert with VGG-16 on CUB-200-2011. Weight: section IV-B. The released code
# has threshold 0, which makes the whole image foreground; this is Inception V3's. Table VII
# wants two experts, of one training: default_hooks.checkpoint.save_best=[wsol/gt_known,wsol/top1_loc].
_base_ = "../ci_cam/vgg16_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
    threshold=0.25,
)
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
