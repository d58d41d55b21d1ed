# The authors' view and test of resnet50_ilsvrc.py.
_base_ = ["./resnet50_ilsvrc.py", "../_base_/methods/c2am_test.py"]

test_pipeline = [
    _base_.test_pipeline[0],
    *_base_.c2am_test.view,
    *_base_.test_pipeline[2:],
]
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = test_evaluator = _base_.pop("c2am_test").evaluator
