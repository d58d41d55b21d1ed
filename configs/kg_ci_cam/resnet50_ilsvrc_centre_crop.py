# The paper's test of resnet50_ilsvrc.py: squash to 304, centre crop of 224, ground truth clipped to it. NOT
# comparable with full-frame numbers: a constant box does well here. Threshold .11: VGG-16's; that of
# this network is not published.
_base_ = "./resnet50_ilsvrc.py"

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(304, 304)),
    dict(type="wsol_mm.CenterCrop", crop_size=224),
    *_base_.test_pipeline[2:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = dict(
    protocol=dict(name="kg_ci_cam_centre_crop", threshold=0.11), threshold="oracle"
)
