# KG-CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Temperature: ResNet-50's (section IV-B).
_base_ = "./efficientnet_lite0_cub_ci_cam.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    cls_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/efficientnet_lite0_cub_cls_expert/best_wsol_top1_cls_*.pth",
    ),
    loc_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/efficientnet_lite0_cub_loc_expert/best_wsol_gt_known_*.pth",
    ),
    cls_guidance=dict(type="wsol_mm.LogitsGuidanceLoss", temperature=10.0),
    loc_guidance=dict(type="wsol_mm.ActivationGuidanceLoss", temperature=10.0),
)
