# The released code's test of vgg16_cub.py in two passes: a centre crop (short side to 304) ranks the
# classes, the squashed full frame gives the maps. NOT comparable with one pass over one view.
_base_ = "./vgg16_cub.py"

model = dict(type="wsol_mm.TwoPassClassifier")
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.RankingView", short_side=304, crop_size=224),
    *_base_.test_pipeline[1:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = dict(protocol="ci_cam_two_pass", threshold="oracle")
