# Single-class regression (Zhang et al., CVPR 2020) with DenseNet-161 on ILSVRC and C2AM's boxes.
_base_ = [
    "../_base_/models/scr_densenet161.py",
    "../_base_/datasets/ilsvrc_scr.py",
    "../_base_/schedules/scr_20e.py",
    "../_base_/det_runtime.py",
]
