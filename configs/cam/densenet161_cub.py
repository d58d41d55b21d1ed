# CAM with DenseNet-161 on CUB-200-2011. The benchmark has no DenseNet: rate and schedule are those of
# ResNet-50, not tuned.
_base_ = [
    "../_base_/models/densenet161_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/cam_50e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
optim_wrapper = dict(optimizer=dict(lr=2.3222617e-4))
