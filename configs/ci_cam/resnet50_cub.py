# CI-CAM with ResNet-50 on CUB-200-2011: KG-CI-CAM's network, of which nothing was released.
_base_ = ["../nl_ccam/resnet50_cub.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").cub
