# WEND with Faster R-CNN and DenseNet-161 on ILSVRC: 4 GPUs x 64 images, 10 epochs.
_base_ = [
    "../_base_/models/faster_rcnn_densenet161_c5.py",
    "../_base_/datasets/ilsvrc_det.py",
    "../_base_/schedules/wend_sgd_10e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = _base_.pop("wend").ilsvrc
