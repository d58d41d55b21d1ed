# WEND with Deformable DETR and ResNet-50 on ILSVRC: 4 GPUs x 64 images, 10 epochs.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/ilsvrc_det.py",
    "../_base_/schedules/wend_adam_10e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = _base_.pop("wend").detr_ilsvrc
