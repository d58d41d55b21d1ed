# SPG with EfficientNet-Lite0 on CUB-200-2011 or a part of it: B1 and B2 behind the two last but one stages.
# Thresholds: the benchmark's defaults, not searched.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    taps=dict(b1="backbone.timm_model.blocks.4", b2="backbone.timm_model.blocks.5"),
    head=dict(
        type="wsol_mm.SPGHead",
        branch_in_channels=(112, 192),
        loss_b2=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.7, low=0.01),
        loss_b1=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.5, low=0.05),
        loss_c=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.7, low=0.1),
    ),
)
