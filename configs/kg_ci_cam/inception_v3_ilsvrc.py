# KG-CI-CAM with Inception V3 on ILSVRC: its CI-CAM, guided by the two experts. Temperature:
# section IV-B.
_base_ = "./inception_v3_ilsvrc_ci_cam.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    cls_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_ilsvrc_cls_expert/best_wsol_top1_cls_*.pth",
    ),
    loc_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_ilsvrc_loc_expert/best_wsol_gt_known_*.pth",
    ),
    cls_guidance=dict(type="wsol_mm.LogitsGuidanceLoss", temperature=2.0),
    loc_guidance=dict(type="wsol_mm.ActivationGuidanceLoss", temperature=2.0),
)
