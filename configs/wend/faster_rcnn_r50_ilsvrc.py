# WEND with Faster R-CNN and ResNet-50 on ILSVRC: 4 GPUs x 64 images, 10 epochs.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/datasets/ilsvrc_det.py",
    "../_base_/schedules/wend_sgd_10e.py",
    "../_base_/det_runtime.py",
]

# the paper's DenseNet161 (Table 8); it gives no values for ResNet-50
model = dict(
    eta=0.03125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=4, alpha=0.25, tau1=0.1, tau2=0.1),
)
