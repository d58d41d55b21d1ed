# KG-CI-CAM's classification expert with ResNet-50 on ILSVRC. Weight and rate: section IV-B; the
# threshold is Inception V3's.
_base_ = "../ci_cam/resnet50_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
)
optim_wrapper = dict(optimizer=dict(lr=7.5e-4))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
