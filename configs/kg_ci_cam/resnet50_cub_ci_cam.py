# CI-CAM with ResNet-50 on CUB-200-2011 as KG-CI-CAM's tables have it (rho = 0).
_base_ = ["../ci_cam/resnet50_cub.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
