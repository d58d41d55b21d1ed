# KG-CI-CAM with ResNet-50 on CUB-200-2011. Temperature: section IV-B; nothing was released.
_base_ = "../ci_cam/resnet50_cub.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    head=dict(rho=0.0),
    cls_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/resnet50_cub_cls_expert/best_wsol_top1_cls_*.pth"
    ),
    loc_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/resnet50_cub_loc_expert/best_wsol_gt_known_*.pth"
    ),
    cls_guidance=dict(temperature=10.0),
    loc_guidance=dict(temperature=10.0),
)
