# Grad-CAM maps from the network of resnet50_cub.py, whose checkpoints fit. Behind layer4 come only
# the mean over positions and a linear layer, so these are the positive part of its CAM.
_base_ = "./resnet50_cub.py"

model = dict(
    type="wsol_mm.GradCAMClassifier",
    cam=dict(method="GradCAM", target_layer="backbone.layer4"),
)
