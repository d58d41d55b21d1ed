# EIL on toy scenes, with the values of vgg16_cub.py, not tuned.
_base_ = "../cam/resnet18_toy.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    erasing=dict(
        after="backbone.layer4.0",
        # every position above the threshold
        layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.7, drop_prob=1.0),
        loss="classification",
        loss_weight=1.0,
    ),
)
