# NL-CCAM with a narrow ResNet-18 on toy scenes, trained as ../cam/resnet18_toy.py is. The combination
# splits the classes in the middle, as NL-CCAM does CUB's.
_base_ = [
    "../_base_/models/resnet18_toy_nl.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(combination=dict(name="signed_quadratic", split=3)))
optim_wrapper = dict(optimizer=dict(lr=0.05, weight_decay=1e-4))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
