# KG-CI-CAM's classification expert with EfficientNet-Lite0 on CUB-200-2011 or a part
# of it, with the weight of most networks on CUB.
_base_ = "../ci_cam/efficientnet_lite0_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
