# NL-CCAM with ResNet-50 on CUB-200-2011. Rate, batch and epochs: KG-CI-CAM, section IV-B; it gives
# no steps, which are Inception V3's here, and no crop, which is VGG-16's.
_base_ = [
    "../_base_/models/resnet50_nl.py",
    "../_base_/datasets/causal_cub.py",
    "../_base_/schedules/causal_100e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    head=dict(num_classes=200, combination=dict(name="signed_quadratic", split=100)),
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=50, gamma=0.5, by_epoch=True),
]
