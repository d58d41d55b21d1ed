# CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it as KG-CI-CAM's student has it: rho = 0, and Adam:
# a student's cross entropy has the weight 1 - alpha = .2.
_base_ = ["../ci_cam/efficientnet_lite0_cub_adam.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
