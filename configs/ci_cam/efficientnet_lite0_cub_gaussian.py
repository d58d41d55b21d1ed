# Control: the same fixed bump in the middle of the image for every class instead of the pool.
_base_ = ["./efficientnet_lite0_cub.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").gaussian
