# WEND with FCOS and ResNet-50 on CUB-200-2011: 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/fcos_r50_c5.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_sgd_50e.py",
    "../_base_/det_runtime.py",
]

# the paper's row of this data set for Faster R-CNN with DenseNet161; it gives none for FCOS
model = dict(
    eta=0.125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.3, tau2=0.3),
)
