# CI-CAM with Inception V3 on CUB-200-2011 as KG-CI-CAM's tables have it (rho = 0). Shares of the
# rate: the released code.
_base_ = ["../ci_cam/inception_v3_cub.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.6),
            "layers": dict(lr_mult=0.6),
            "head.context_pool": dict(lr_mult=0.6),
        }
    )
)
