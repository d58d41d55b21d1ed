# NL-CCAM with Inception V3 on CUB-200-2011, on the schedule of CI-CAM's released code: lr 1e-4
# throughout, half of it every 50 epochs, a tenth from epoch 85 on.
_base_ = [
    "../_base_/models/inception_v3_nl.py",
    "../_base_/datasets/causal_cub_299.py",
    "../_base_/schedules/causal_100e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    head=dict(num_classes=200, combination=dict(name="signed_quadratic", split=100)),
)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=50, gamma=0.5, by_epoch=True),
    dict(type="MultiStepLR", milestones=[85], gamma=0.1, by_epoch=True),
]
