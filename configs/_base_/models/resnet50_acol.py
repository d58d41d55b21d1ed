# ACoL on ResNet-50.
# Threshold: the benchmark's search on CUB, as transcribed by third parties.
_base_ = "./resnet50_cam.py"

model = dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.57))
# the benchmark finds its fast parameters by name, `fc.` and not these heads
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1))))
