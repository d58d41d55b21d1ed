# ADL with a narrow ResNet-18 on toy scenes, from scratch. The benchmark's default rates.
_base_ = "../cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.75, threshold=0.9))
        for name in ("backbone.layer3.0", "backbone.layer4.0", "backbone.layer4.1")
    ],
)
