# KG-CI-CAM's classification expert with VGG-16 on ILSVRC, the released code's newer recipe. The paper's
# (batch 42, lr 2.5e-6) starts from a finished CI-CAM: a fresh classifier cannot learn at that rate.
_base_ = "../ci_cam/vgg16_ilsvrc.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04),
    threshold=0.1,
)
train_dataloader = dict(batch_size=36)
optim_wrapper = dict(optimizer=dict(lr=5.85e-5))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_cls"))
auto_scale_lr = dict(base_batch_size=36)
