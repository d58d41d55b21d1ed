# FCOS with a head that costs next to nothing beside its backbone, which WEND's paper does not have: C5
# goes through one 1x1 layer to 256 channels, and each branch has one 3x3 layer of 256.
fcos_lean = dict(
    detector=dict(
        neck=dict(
            type="mmdet.ChannelMapper",
            in_channels=[2048],
            out_channels=256,
            kernel_size=1,
            num_outs=1,
            norm_cfg=dict(type="GN", num_groups=32),
        ),
        bbox_head=dict(in_channels=256, feat_channels=256),
    ),
)
