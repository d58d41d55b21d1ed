# BridgeGap on ResNet-50, 28x28 maps: the last two blocks run on both branches.
_base_ = "./resnet50_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    backbone=dict(strides=(1, 2, 1, 1)),
    erasing=dict(
        after="backbone.layer4.0",
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.8, drop_prob=0.25),
        loss="consistency",
        loss_weight=2.0,
    ),
    head=dict(
        type="wsol_mm.AlignmentHead",
        loss_sim=dict(type="wsol_mm.SimilarityLoss"),
        loss_norm=dict(type="wsol_mm.NormLoss"),
    ),
)
optim_wrapper = dict(
    # the classifier alone; the benchmark counts the last stage to the head
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, head=dict(lr_mult=10)))
)
