# KG-CI-CAM's localization expert with Inception V3 on CUB-200-2011. Weights: section IV-B; threshold
# and the rates' shares: the released code.
_base_ = ["../ci_cam/inception_v3_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
model.loss_difference.loss_weight = 0.2
model.loss_area = dict(type="wsol_mm.AreaLoss", loss_weight=2e-8)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.8),
            "layers": dict(lr_mult=0.8),
            "head.context_pool": dict(lr_mult=0.8),
        }
    )
)
default_hooks = _base_.pop("kg_experts").loc.default_hooks
