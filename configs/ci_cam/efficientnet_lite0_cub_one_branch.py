# Control: no second branch. Two branches with the same features have the same loss twice.
_base_ = ["../nl_ccam/efficientnet_lite0_cub.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").one_branch
model.head.loss.type = "mmpretrain.CrossEntropyLoss"
