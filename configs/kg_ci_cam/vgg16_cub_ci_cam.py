# CI-CAM with VGG-16 on CUB-200-2011 as KG-CI-CAM's tables have it (rows "causal" and "no expert"):
# without its first loss (rho = 0), on the student's schedule: half the rate every 40 epochs, the
# released code.
_base_ = ["../ci_cam/vgg16_cub.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type="StepLR", step_size=40, gamma=0.5, by_epoch=True),
]
