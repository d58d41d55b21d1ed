# SD-CAM (LCAR) on the frozen EfficientNet-Lite0 on CUB-200-2011 or a part of it: the cut of
# ../tokencut/efficientnet_lite0_cub.py, its side chosen by the class. The teacher is linear: few images.
_base_ = ["../tokencut/efficientnet_lite0_cub.py", "../_base_/methods/sd_cam.py"]

model = _base_.pop("sd_cam")
