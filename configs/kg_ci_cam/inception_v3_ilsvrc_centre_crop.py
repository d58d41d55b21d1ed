# The paper's test of inception_v3_ilsvrc.py, centre crop. NOT comparable with full-frame numbers.
_base_ = ["./inception_v3_ilsvrc.py", "../_base_/methods/kg_centre_crop.py"]

test_pipeline = [
    _base_.test_pipeline[0],
    *_base_.kg_centre_crop.inception_v3_ilsvrc.view,
    *_base_.test_pipeline[2:],
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_evaluator = _base_.pop("kg_centre_crop").inception_v3_ilsvrc.evaluator
