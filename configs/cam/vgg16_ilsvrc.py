# CAM with VGG-16 on ILSVRC.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = [
    "../_base_/models/vgg16_cam.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=1.654502e-5))
