# KG-CI-CAM's localization expert with Inception V3 on CUB-200-2011. Weights: section IV-B; threshold
# and the rates' shares: the released code.
_base_ = "../ci_cam/inception_v3_cub.py"

model = dict(
    type="wsol_mm.CausalExpert",
    loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.2),
    loss_area=dict(type="wsol_mm.AreaLoss", loss_weight=2e-8),
    threshold=0.25,
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.8),
            "layers": dict(lr_mult=0.8),
            "head.context_pool": dict(lr_mult=0.8),
        }
    )
)
default_hooks = dict(checkpoint=dict(save_best="wsol/gt_known"))
