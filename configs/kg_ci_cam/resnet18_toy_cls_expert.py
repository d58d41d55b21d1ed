# KG-CI-CAM's classification expert on toy scenes, with the weight of most networks on CUB.
_base_ = "../ci_cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
