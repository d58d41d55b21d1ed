# KG-CI-CAM with Inception V3 on CUB-200-2011. Temperature 15: section IV-B; the rates' shares and steps
# are the released code's.
_base_ = "../ci_cam/inception_v3_cub.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    head=dict(rho=0.0),
    cls_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_cub_cls_expert/best_wsol_top1_cls_*.pth",
    ),
    loc_teacher=dict(
        config=_base_.model,
        checkpoint="work_dirs/inception_v3_cub_loc_expert/best_wsol_gt_known_*.pth",
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.6),
            "layers": dict(lr_mult=0.6),
            "head.projection": dict(lr_mult=0.6),
        }
    )
)
