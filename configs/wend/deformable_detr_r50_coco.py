# WEND with Deformable DETR and ResNet-50 on a COCO json of one's own: 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/coco_det.py",
    "../_base_/schedules/wend_adam_50e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

# CUB's values, where the loss is too weak to overturn a label
model = _base_.pop("wend").detr_cub
