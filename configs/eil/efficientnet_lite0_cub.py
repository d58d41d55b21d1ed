# EIL with EfficientNet-Lite0 on CUB-200-2011 or a part of it, with the values of vgg16_cub.py.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    erasing=dict(
        after="backbone.timm_model.blocks.5.0.bn2",  # where ../bridgegap erases
        # every position above the threshold
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.7, drop_prob=1.0),
        loss="classification",
        loss_weight=1.0,
    ),
)
