# The released code's test of inception_v3_cub.py in two passes: a centre crop (short side to 450) ranks the
# classes, the squashed full frame gives the maps. NOT comparable with one pass over one view.
_base_ = "./inception_v3_cub.py"

model = dict(type="wsol_mm.TwoPassClassifier")
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.RankingView", short_side=450, crop_size=299),
    *_base_.test_pipeline[1:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = dict(protocol=dict(name="ci_cam_two_pass", frame=299), threshold="oracle")
