# SPG with Inception V3 on CUB-200-2011.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = [
    "../_base_/models/inception_v3_spg.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/cam_50e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
optim_wrapper = dict(optimizer=dict(lr=3.360682e-4))
