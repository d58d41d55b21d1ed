# NL-CCAM with VGG-16 on CUB-200-2011, on the network and schedule of CI-CAM's released code (lr
# 5e-4 for the classifier, a tenth of it elsewhere). Combination: NL-CCAM's released code.
_base_ = [
    "../_base_/models/vgg16_nl.py",
    "../_base_/datasets/causal_cub.py",
    "../_base_/schedules/causal_100e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    head=dict(num_classes=200, combination=dict(name="signed_quadratic", split=100)),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1), layers=dict(lr_mult=0.1)))
)
