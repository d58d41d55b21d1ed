# CAM with VGG-16 on OpenImages30k.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = [
    "../_base_/models/vgg16_cam.py",
    "../_base_/datasets/openimages30k.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=3.4052401e-4))
default_hooks = dict(checkpoint=dict(save_best="wsol/pxap"))
