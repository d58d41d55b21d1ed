# WEND with Faster R-CNN and ResNet-50 on CUB-200-2011 (Xu et al., ACM MM 2023): 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_sgd_50e.py",
    "../_base_/det_runtime.py",
]

# gamma, alpha (Table 3), eta (Table 4) and tau (Table 9) of the paper's DenseNet161; it gives none for
# ResNet-50. An eta of 1/8 alone is almost an eight times smaller learning rate for the supervised
# losses: the control for the entropy is this config with `model.roi_head.bbox_head.loss_we=None`.
model = dict(
    eta=0.125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.3, tau2=0.3),
)
