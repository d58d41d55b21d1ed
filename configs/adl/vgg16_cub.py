# ADL with VGG-16 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/vgg16_cub.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    # behind pool3, conv4_3 and conv5_3
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.33, threshold=0.72))
        for name in ("backbone.features.9", "backbone.features.12", "backbone.features.16")
    ],
)
optim_wrapper = dict(optimizer=dict(lr=2.430601e-5))
