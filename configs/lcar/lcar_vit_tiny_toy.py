# The whole of LCAR on toy scenes: test it with the checkpoint of sd_cam_vit_tiny_toy.
_base_ = ["./sd_cam_vit_tiny_toy.py", "../_base_/methods/lcar.py"]

model = _base_.pop("lcar")
