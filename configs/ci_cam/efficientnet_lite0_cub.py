# CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Pool rate: a class remembers a thirtieth of its
# 180 updates (30 images, 6 epochs), as it does in the authors' 3000 at the rate .01.
_base_ = ["../nl_ccam/efficientnet_lite0_cub.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").cub
model.head.context_pool.rate = 0.2
