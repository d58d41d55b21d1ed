# CI-CAM with ResNet-50 on ILSVRC. Pool rate: the released code of KG-CI-CAM (CI-CAM's text has .01).
_base_ = ["../nl_ccam/resnet50_ilsvrc.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").ilsvrc
