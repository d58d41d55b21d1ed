# CI-CAM with ResNet-50 on ILSVRC as KG-CI-CAM's tables have it (rho = 0).
_base_ = ["../ci_cam/resnet50_ilsvrc.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
