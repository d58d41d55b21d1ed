# EIL's erased branch in place of BridgeGap's, beside its alignment losses (BridgeGap, Table 6).
_base_ = "../bridgegap/vgg16_cub.py"

model = dict(
    erasing=dict(  # as in vgg16_cub.py
        layer=dict(threshold=0.7, drop_prob=1.0), loss="classification", loss_weight=1.0
    )
)
