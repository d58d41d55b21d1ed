# ADL with ResNet-50 on ILSVRC.
# Default, not searched: the settings of resnet50_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/resnet50_ilsvrc.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.24, threshold=0.76))
        for name in ("backbone.layer3.0", "backbone.layer4.0", "backbone.layer4.2")
    ],
)
