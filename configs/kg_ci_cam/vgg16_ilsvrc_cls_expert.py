# KG-CI-CAM's classification expert with VGG-16 on ILSVRC, the released code's newer recipe. The paper's
# (batch 42, lr 2.5e-6) starts from a finished CI-CAM: a fresh classifier cannot learn at that rate.
_base_ = ["../ci_cam/vgg16_ilsvrc.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
model.update(loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=0.04), threshold=0.1)
train_dataloader = dict(batch_size=36)
optim_wrapper = dict(optimizer=dict(lr=5.85e-5))
auto_scale_lr = dict(base_batch_size=36)
default_hooks = _base_.pop("kg_experts").cls.default_hooks
