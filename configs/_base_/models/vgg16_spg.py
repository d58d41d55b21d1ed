# SPG on VGG-16: B1 and B2 behind the blocks conv4 and conv5, two 3x3 convolutions before the classifier.
# Thresholds: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./vgg16_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(b1="backbone.features.13", b2="backbone.features.16"),
    backbone=dict(pools="spg", out_channels=None),
    head=dict(
        type="wsol_mm.SPGHead",
        in_channels=512,
        hidden_channels=(1024, 1024),
        branch_in_channels=(512, 512),
        loss_b2=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.29, low=0.23),
        loss_b1=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.03, low=0.02),
        loss_c=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.82, low=0.59),
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        # conv4 and conv5 too: the benchmark moves them out of `features.`, its name for slow layers
        custom_keys={f"backbone.features.{i}": dict(lr_mult=10) for i in (10, 11, 12, 14, 15, 16)}
    )
)
