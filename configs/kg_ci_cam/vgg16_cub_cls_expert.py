# KG-CI-CAM's classification expert with VGG-16 on CUB-200-2011. Weights: section IV-B; threshold: the
# released code.
_base_ = "../ci_cam/vgg16_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04),
    threshold=0.08,
)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
