# BridgeGap on VGG-16: conv5_1 to conv6 run on both branches.
_base_ = "./vgg16_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    erasing=dict(
        after="backbone.features.12",  # conv4_3, before the last pooling
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.8),
        loss="consistency",
    ),
    head=dict(
        type="wsol_mm.AlignmentHead",
        loss_sim=dict(type="wsol_mm.SimilarityLoss"),
        loss_norm=dict(type="wsol_mm.NormLoss"),
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={"backbone.conv6": dict(lr_mult=5), "head": dict(lr_mult=5)})
)
