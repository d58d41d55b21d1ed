# SPG with Inception V3 on OpenImages30k.
# Learning rate: CAM's on this data set; thresholds: CUB's. Default, not searched.
_base_ = [
    "../_base_/models/inception_v3_spg.py",
    "../_base_/datasets/openimages30k.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
default_hooks = dict(checkpoint=dict(save_best="wsol/pxap"))
