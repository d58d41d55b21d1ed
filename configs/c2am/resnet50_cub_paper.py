# The authors' view and test: squashed to 480, the middle 448 px seen, ground truth clipped to it,
# classes averaged. They chose the threshold on the boxes they report; here it is the best of val.
_base_ = "./resnet50_cub.py"

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(480, 480)),
    dict(type="wsol_mm.CenterCrop", crop_size=448),
    *_base_.test_pipeline[2:],
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(protocol="c2am")
test_evaluator = dict(protocol="c2am")
