# WEND with Faster R-CNN and DenseNet-161 on ILSVRC: 4 GPUs x 64 images, 10 epochs.
_base_ = [
    "../_base_/models/faster_rcnn_densenet161_c5.py",
    "../_base_/datasets/ilsvrc_det.py",
    "../_base_/schedules/wend_sgd_10e.py",
    "../_base_/det_runtime.py",
]

# Table 8 of the paper
model = dict(
    eta=0.03125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=4, alpha=0.25, tau1=0.1, tau2=0.1),
)
