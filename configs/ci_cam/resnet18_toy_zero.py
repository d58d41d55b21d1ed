# Control: a pool that stays zero, so that only the projection's bias changes the features.
_base_ = ["./resnet18_toy.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").zero
model.head.context_pool.size = 12
