# SPG with VGG-16 on ILSVRC.
# Learning rate: CAM's on this data set; thresholds: CUB's. Default, not searched.
_base_ = [
    "../_base_/models/vgg16_spg.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=1.654502e-5))
