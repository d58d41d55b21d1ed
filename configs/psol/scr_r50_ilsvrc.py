# Single-class regression (Zhang et al., CVPR 2020) with ResNet-50 on ILSVRC and C2AM's boxes.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/datasets/ilsvrc_scr.py",
    "../_base_/schedules/scr_20e.py",
    "../_base_/det_runtime.py",
]
