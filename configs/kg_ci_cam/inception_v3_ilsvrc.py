# KG-CI-CAM with Inception V3 on ILSVRC. Temperature: section IV-B.
_base_ = "../ci_cam/inception_v3_ilsvrc.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    head=dict(rho=0.0),
    cls_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_ilsvrc_cls_expert/best_wsol_top1_cls_*.pth",
    ),
    loc_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_ilsvrc_loc_expert/best_wsol_gt_known_*.pth",
    ),
    cls_guidance=dict(temperature=2.0),
    loc_guidance=dict(temperature=2.0),
)
