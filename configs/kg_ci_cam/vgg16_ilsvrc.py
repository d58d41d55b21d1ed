# KG-CI-CAM with VGG-16 on ILSVRC. Batch, rate and temperature: section IV-B.
_base_ = "../ci_cam/vgg16_ilsvrc.py"

model = dict(
    type="wsol_mm.GuidedClassifier",
    head=dict(rho=0.0),
    cls_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_ilsvrc_cls_expert/best_wsol_top1_cls_*.pth"
    ),
    loc_teacher=dict(
        config=_base_.model, checkpoint="work_dirs/vgg16_ilsvrc_loc_expert/best_wsol_gt_known_*.pth"
    ),
    cls_guidance=dict(temperature=1.1),
    loc_guidance=dict(temperature=1.1),
)
train_dataloader = dict(batch_size=78)
optim_wrapper = dict(optimizer=dict(lr=8e-5))
auto_scale_lr = dict(base_batch_size=78)
