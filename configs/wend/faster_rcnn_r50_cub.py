# WEND with Faster R-CNN and ResNet-50 on CUB-200-2011 (Xu et al., ACM MM 2023): 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_sgd_50e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = _base_.pop("wend").cub
