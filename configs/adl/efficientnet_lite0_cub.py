# ADL with EfficientNet-Lite0 on CUB-200-2011 or a part of it. The benchmark's default rates, not searched.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    # Behind activations that no skip goes round. A block ends without one: the channel mean of its
    # output is of either sign and says nothing of attention.
    layers=[
        dict(
            after=f"backbone.timm_model.{name}",
            layer=dict(type="wsol_mm.ADL", drop_rate=0.75, threshold=0.9),
        )
        for name in ("blocks.5.0.bn2", "blocks.6.0.bn1", "bn2")
    ],
)
