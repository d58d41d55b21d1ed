# KG-CI-CAM's classification expert with ResNet-50 on CUB-200-2011. Weight: section IV-B; the threshold
# is Inception V3's.
_base_ = "../ci_cam/resnet50_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
