# BridgeGap on toy scenes. Values: the best of 12 random trials on a val split of other scenes (seed 10,
# 8 epochs, ranges of search_toy.yml), rounded.
_base_ = "../cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    erasing=dict(
        after="backbone.layer4.0",
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.83, drop_prob=0.46),
        loss="consistency",
        loss_weight=1.85,
    ),
    head=dict(
        type="wsol_mm.AlignmentHead",
        loss_sim=dict(type="wsol_mm.SimilarityLoss", tau_fg=0.22, tau_bg=0.17, loss_weight=0.17),
        # as birds do, all classes share a body
        loss_norm=dict(type="wsol_mm.NormLoss", rule="fine_grained", loss_weight=0.93),
    ),
)
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook", epochs=4, losses=["head.loss_sim", "head.loss_norm"]
    )
)
