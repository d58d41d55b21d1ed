# CI-CAM with Inception V3 on CUB-200-2011, on the released code's schedule. Its network has no
# non-local blocks; ours has KG-CI-CAM's three.
_base_ = ["../nl_ccam/inception_v3_cub.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").cub
model.head.context_pool.size = 17
