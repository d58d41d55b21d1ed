# ADL with VGG-16 on OpenImages30k.
# Default, not searched: the settings of vgg16_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/vgg16_openimages30k.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    # behind pool3, conv4_3 and conv5_3
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.33, threshold=0.72))
        for name in ("backbone.features.9", "backbone.features.12", "backbone.features.16")
    ],
)
