# Control: every image is enhanced by the mean over all classes' contexts (eq. 6's 1/n sum).
_base_ = ["./efficientnet_lite0_cub.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").averaged
