# The paper's test of resnet50_cub.py: squash to 344, centre crop of 224, ground truth clipped to it. NOT
# comparable with full-frame numbers: a constant box does well here. Threshold .21: Inception V3's;
# that of this network is not published.
_base_ = "./resnet50_cub.py"

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(344, 344)),
    dict(type="wsol_mm.CenterCrop", crop_size=224),
    *_base_.test_pipeline[2:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = dict(
    protocol=dict(name="kg_ci_cam_centre_crop", threshold=0.21), threshold="oracle"
)
