# KG-CI-CAM as its text has it, guided by experts of its own kind.
_base_ = "./vgg16_cub_ci_cam_paper.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    cls_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/vgg16_cub_cls_expert_paper/best_wsol_top1_cls_*.pth",
    ),
    loc_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/vgg16_cub_loc_expert_paper/best_wsol_gt_known_*.pth",
    ),
    cls_guidance=dict(type="wsol_mm.LogitsGuidanceLoss", temperature=15.0),
    loc_guidance=dict(type="wsol_mm.ActivationGuidanceLoss", temperature=15.0),
)
