# LayerCAM maps of an earlier stage from the network of resnet50_cub.py, whose checkpoints fit.
_base_ = "./resnet50_cub.py"

model = dict(
    type="wsol_mm.GradCAMClassifier",
    cam=dict(method="LayerCAM", target_layer="backbone.layer3"),
)
