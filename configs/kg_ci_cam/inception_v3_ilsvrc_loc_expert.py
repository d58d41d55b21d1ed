# KG-CI-CAM's localization expert with Inception V3 on ILSVRC. Weight, batch and rate: section IV-B; the
# threshold is CUB's.
_base_ = "../ci_cam/inception_v3_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=1.0),
    threshold=0.25,
)
train_dataloader = dict(batch_size=72)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
auto_scale_lr = dict(base_batch_size=72)
