# deformable_detr_r50_ilsvrc.py under the paper's test: the middle 224 of 256 px, ground truth clipped to it (protocol wend).
_base_ = ["./deformable_detr_r50_ilsvrc.py", "../_base_/methods/wend_test.py"]

val_dataloader = test_dataloader = dict(dataset=dict(pipeline=_base_.centre_crop_pipeline))
val_evaluator = test_evaluator = _base_.pop("wend_test")
