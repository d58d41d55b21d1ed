# WEND with Faster R-CNN and DenseNet-161 on CUB-200-2011 (Xu et al., ACM MM 2023): 4 GPUs x 64 images.
_base_ = [
    "../_base_/models/faster_rcnn_densenet161_c5.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_sgd_50e.py",
    "../_base_/det_runtime.py",
]

# the network of the paper's studies: gamma, alpha from Table 3, eta from Table 4, tau from Table 9
model = dict(
    eta=0.125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.3, tau2=0.3),
)
