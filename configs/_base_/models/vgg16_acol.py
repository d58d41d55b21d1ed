# ACoL on VGG-16: the benchmark's 3x3 poolings, then both heads on conv5_3.
# Threshold: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./vgg16_cam.py"

model = dict(
    backbone=dict(pools="acol", out_channels=None),
    head=dict(type="wsol_mm.ACoLHead", in_channels=512, threshold=0.89),
)
