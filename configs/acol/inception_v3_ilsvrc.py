# ACoL with Inception V3 on ILSVRC.
# Learning rate: CAM's on this data set; threshold: CUB's. Default, not searched.
_base_ = [
    "../_base_/models/inception_v3_acol.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=3.606503e-4))
