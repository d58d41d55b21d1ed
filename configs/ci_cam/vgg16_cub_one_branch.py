# Table 3, "two classifiers" without a pool: both read the same features, which is one branch with
# their loss twice.
_base_ = ["../nl_ccam/vgg16_cub.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").one_branch
