# CAM with a narrow ResNet-18 on toy scenes, from scratch, about two minutes on two cores.
_base_ = [
    "../_base_/models/resnet18_toy_cam.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

optim_wrapper = dict(optimizer=dict(lr=0.05, weight_decay=1e-4))
# Maps localize best before the classifier has learned: choose where both are good.
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
