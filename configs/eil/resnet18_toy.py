# EIL on toy scenes, with the values of vgg16_cub.py, not tuned.
_base_ = ["../cam/resnet18_toy.py", "../_base_/methods/eil.py"]

model = dict(
    type="wsol_mm.WSOLClassifier",
    erasing=dict(_base_.pop("eil"), after="backbone.layer4.0"),
)
