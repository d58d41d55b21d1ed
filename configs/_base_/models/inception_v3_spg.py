# SPG on Inception V3. B2 reads the input of Mixed_6e, as the benchmark's code does; its output looks
# meant (taps=dict(b1="backbone.Mixed_5d", b2="backbone.Mixed_6e")).
# Thresholds: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./inception_v3_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(b1="backbone.Mixed_5d", b2="backbone.Mixed_6d"),
    head=dict(
        type="wsol_mm.SPGHead",
        branch_in_channels=(288, 768),
        loss_b2=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.28, low=0.02),
        loss_b1=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.17, low=0.03),
        loss_c=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.47, low=0.31),
    ),
)
