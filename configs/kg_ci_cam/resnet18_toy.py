# KG-CI-CAM with a narrow ResNet-18 on toy scenes. The temperature is ours.
_base_ = "./resnet18_toy_ci_cam.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    cls_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/resnet18_toy_cls_expert/best_wsol_top1_cls_*.pth"
    ),
    loc_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/resnet18_toy_loc_expert/best_wsol_gt_known_*.pth"
    ),
    cls_guidance=dict(type="wsol_mm.LogitsGuidanceLoss", temperature=2.0),
    loc_guidance=dict(type="wsol_mm.ActivationGuidanceLoss", temperature=2.0),
)
