# Control: every class is enhanced by the context of another one, always the same.
_base_ = ["./resnet18_toy.py", "../_base_/methods/ci_cam_controls.py"]

model = _base_.pop("ci_cam_controls").shuffled
