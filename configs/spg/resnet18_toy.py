# SPG with a narrow ResNet-18 on toy scenes. Thresholds are the benchmark's defaults, not searched.
_base_ = "../cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(b1="backbone.layer3.0", b2="backbone.layer3"),
    head=dict(
        type="wsol_mm.SPGHead",
        branch_in_channels=(64, 64),
        branch_channels=64,
        mask_size=96,
        loss_b2=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.7, low=0.01),
        loss_b1=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.5, low=0.05),
        loss_c=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.7, low=0.1),
    ),
)
