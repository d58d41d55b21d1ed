# Two passes with VGG-16 on ILSVRC, as vgg16_cub_two_pass.py: short side to 240 (the code released with
# KG-CI-CAM, which tests its students so while they train). NOT comparable with one pass over one view.
_base_ = "./vgg16_ilsvrc.py"

model = dict(type="wsol_mm.TwoPassClassifier")
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.RankingView", short_side=240, crop_size=224),
    *_base_.test_pipeline[1:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = dict(protocol="ci_cam_two_pass", threshold="oracle")
