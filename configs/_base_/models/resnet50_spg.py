# SPG on ResNet-50: B1 behind the first block of layer3, B2 behind its last.
# Thresholds: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./resnet50_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(b1="backbone.layer3.0", b2="backbone.layer3"),
    head=dict(
        type="wsol_mm.SPGHead",
        branch_in_channels=(1024, 1024),
        loss_b2=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.41, low=0.35),
        loss_b1=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.24, low=0.21),
        loss_c=dict(type="wsol_mm.SelfProducedGuidanceLoss", high=0.12, low=0.08),
    ),
)
# the benchmark finds its fast parameters by name, `fc.` and not this head
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1))))
