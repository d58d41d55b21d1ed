# ACoL on Inception V3; its heads, unlike CAM's, have no dropout.
# Threshold: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./inception_v3_cam.py"

model = dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.79, dropout=0.0))
