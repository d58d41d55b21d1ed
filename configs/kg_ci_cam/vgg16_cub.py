# KG-CI-CAM with VGG-16 on CUB-200-2011: its CI-CAM, guided by the two experts. Temperature:
# section IV-B. alpha is the classifier's default, .8.
_base_ = "./vgg16_cub_ci_cam.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    cls_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_cub_cls_expert/best_wsol_top1_cls_*.pth"
    ),
    loc_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_cub_loc_expert/best_wsol_gt_known_*.pth"
    ),
    cls_guidance=dict(type="wsol_mm.LogitsGuidanceLoss", temperature=15.0),
    loc_guidance=dict(type="wsol_mm.ActivationGuidanceLoss", temperature=15.0),
)
