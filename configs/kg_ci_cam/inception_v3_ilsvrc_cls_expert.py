# KG-CI-CAM's classification expert with Inception V3 on ILSVRC. Weight, batch and rate (ten times the
# localization expert's): section IV-B; the threshold is CUB's.
_base_ = "../ci_cam/inception_v3_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
)
train_dataloader = dict(batch_size=72)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
auto_scale_lr = dict(base_batch_size=72)
