# WEND with Deformable DETR and ResNet-50 on CUB-200-2011: 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_adam_50e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = _base_.pop("wend").detr_cub
