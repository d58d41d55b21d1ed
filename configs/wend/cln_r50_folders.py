# WEND with CLN and ResNet-50 on class folders of one's own: 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/cln_r50_c5.py",
    "../_base_/datasets/folders_det.py",
    "../_base_/schedules/wend_sgd_50e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

# CUB's values, where the loss is too weak to overturn a label
model = _base_.pop("wend").cub
