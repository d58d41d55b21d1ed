# KG-CI-CAM's classification expert with Inception V3 on CUB-200-2011. Weight: section IV-B; threshold
# (the classifier's default), the rates' shares and half the rate every 20 epochs: the released code.
_base_ = ["../ci_cam/inception_v3_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.cls.model
model.loss_fore.loss_weight = 0.6
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.6),
            "layers": dict(lr_mult=0.6),
            "head.context_pool": dict(lr_mult=0.6),
        }
    )
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=20, gamma=0.5, by_epoch=True),
    _base_.param_scheduler[2],
]
default_hooks = _base_.pop("kg_experts").cls.default_hooks
