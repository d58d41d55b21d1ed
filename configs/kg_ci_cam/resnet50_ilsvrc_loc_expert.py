# KG-CI-CAM's localization expert with ResNet-50 on ILSVRC. Weight, batch and rate: section IV-B; the
# threshold is Inception V3's.
_base_ = "../ci_cam/resnet50_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=1.0),
    threshold=0.25,
)
train_dataloader = dict(batch_size=24)
optim_wrapper = dict(optimizer=dict(lr=1.4e-5))
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
auto_scale_lr = dict(base_batch_size=24)
