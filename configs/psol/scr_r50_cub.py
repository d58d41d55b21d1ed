# Single-class regression (Zhang et al., CVPR 2020) with ResNet-50 on CUB-200-2011 and C2AM's boxes.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/datasets/cub_scr.py",
    "../_base_/schedules/scr_100e.py",
    "../_base_/det_runtime.py",
]
