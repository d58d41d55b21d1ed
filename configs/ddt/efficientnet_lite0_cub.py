# DDT on the frozen EfficientNet-Lite0 on CUB-200-2011 or a part of it, images squashed to 224 px as in every
# other config of this network. Only the linear classifier trains.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(type="wsol_mm.FrozenClassifier", head=dict(type="wsol_mm.DDTHead"))
# a projection's zero is the border of the object
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [
    dict(
        type="wsol_mm.FitDDTHook",
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="wsol_mm.Resize", scale=(224, 224)),
            dict(type="wsol_mm.PackWSOLInputs"),
        ],
    )
]
