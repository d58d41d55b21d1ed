# WEND with Deformable DETR and ResNet-50 on ILSVRC: 4 GPUs x 64 images, 10 epochs.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/ilsvrc_det.py",
    "../_base_/schedules/wend_adam_10e.py",
    "../_base_/det_runtime.py",
]

# not given: gamma and alpha of the data set's Faster R-CNN, tau and eta of CUB's Deformable DETR
model = dict(
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=4, alpha=0.25, tau1=0.9, tau2=0.9),
)
