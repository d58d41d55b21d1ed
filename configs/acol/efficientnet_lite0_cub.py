# ACoL with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Both heads are linear: few images do not train
# new 3x3 layers. Threshold: the benchmark's default, not searched.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.7, hidden_channels=()))
