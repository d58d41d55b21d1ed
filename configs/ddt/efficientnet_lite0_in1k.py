# DDT on EfficientNet-Lite0 as its package has it: nothing is trained. The images of a class that it co-localizes are
# those of the test, whose labels it reads, so that of its numbers GT-known and MaxBoxAcc alone count. Its checkpoint is
# the package's file, as in ../cam/efficientnet_lite0_in1k.py.
_base_ = "../cam/efficientnet_lite0_in1k.py"

model = dict(type="wsol_mm.FrozenClassifier", head=dict(type="wsol_mm.DDTHead"))
# a projection's zero is the border of the object
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [
    dict(
        type="wsol_mm.FitDDTHook",
        split="test",
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="wsol_mm.Resize", scale=(224, 224)),
            dict(type="wsol_mm.PackWSOLInputs"),
        ],
    )
]
