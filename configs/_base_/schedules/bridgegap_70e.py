# BridgeGap on CUB: 70 epochs, a fifth of the rate from epochs 41 and 61 on, counted from 1.
_base_ = "./cam_50e.py"

param_scheduler = dict(milestones=[40, 60], gamma=0.2)
train_cfg = dict(max_epochs=70)
