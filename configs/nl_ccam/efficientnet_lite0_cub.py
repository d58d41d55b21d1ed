# NL-CCAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it: one non-local block, behind the last layer,
# new as the head is. The combination splits the classes in the middle, as NL-CCAM does CUB's.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    layers=[
        dict(
            after="backbone.timm_model.bn2",
            layer=dict(type="wsol_mm.NonLocalBlock", channels=1280),
        )
    ],
    head=dict(
        type="wsol_mm.CombinationalCAMHead",
        combination=dict(name="signed_quadratic", split=0.5),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(layers=dict(lr_mult=10))))
