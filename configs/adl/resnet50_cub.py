# ADL with ResNet-50 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/resnet50_cub.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.24, threshold=0.76))
        for name in ("backbone.layer3.0", "backbone.layer4.0", "backbone.layer4.2")
    ],
)
optim_wrapper = dict(optimizer=dict(lr=1.253438325e-2))
