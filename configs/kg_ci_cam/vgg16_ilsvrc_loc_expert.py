# KG-CI-CAM's localization expert with VGG-16 on ILSVRC. Weights and rate: section IV-B; batch: the
# released code (the text has 84), which has threshold 0; this is Inception V3's.
_base_ = "../ci_cam/vgg16_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=1.0),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=1e-6),
    threshold=0.25,
)
train_dataloader = dict(batch_size=36)
optim_wrapper = dict(optimizer=dict(lr=6e-5))
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
auto_scale_lr = dict(base_batch_size=36)
