# KG-CI-CAM with VGG-16 on CUB-200-2011: CI-CAM without its first loss (rho = 0), guided by the two
# experts, one network with it. Temperature 15: section IV-B; half the rate every 40 epochs: the
# released code. alpha is the classifier's default, .8.
_base_ = "../ci_cam/vgg16_cub.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    head=dict(rho=0.0),
    cls_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_cub_cls_expert/best_wsol_top1_cls_*.pth"
    ),
    loc_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_cub_loc_expert/best_wsol_gt_known_*.pth"
    ),
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=40, gamma=0.5, by_epoch=True),
]
