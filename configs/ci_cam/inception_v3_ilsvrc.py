# CI-CAM with Inception V3 on ILSVRC. Pool rate: the released code of KG-CI-CAM (CI-CAM's text has .01).
_base_ = ["../nl_ccam/inception_v3_ilsvrc.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").ilsvrc
model.head.context_pool.size = 17
