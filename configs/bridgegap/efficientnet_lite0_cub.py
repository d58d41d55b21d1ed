# BridgeGap with EfficientNet-Lite0 on CUB-200-2011 or a part of it: the values of vgg16_cub.py, which are the
# paper's (section 5.4), and the epochs in proportion.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    erasing=dict(
        # An activation that no skip goes round; three blocks, the last stage and the last layer run
        # on both branches. Blocks end without an activation: their channel mean is no attention.
        after="backbone.timm_model.blocks.5.0.bn2",
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.8, drop_prob=0.5),
        loss="consistency",
        loss_weight=3.0,
    ),
    head=dict(
        type="wsol_mm.AlignmentHead",
        loss_sim=dict(type="wsol_mm.SimilarityLoss", tau_fg=0.6, tau_bg=0.1, loss_weight=0.5),
        # all classes are birds
        loss_norm=dict(type="wsol_mm.NormLoss", rule="fine_grained", loss_weight=0.15),
    ),
)
train_cfg = dict(max_epochs=8)
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook", epochs=3, losses=["head.loss_sim", "head.loss_norm"]
    )
)
