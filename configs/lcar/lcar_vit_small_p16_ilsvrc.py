# The whole of LCAR on ILSVRC, where the paper asks more of a superpixel to be the object (gamma_h2).
_base_ = ["./sd_cam_vit_small_p16_ilsvrc.py", "../_base_/methods/lcar.py"]

model = _base_.pop("lcar")
model.refiners[-1].superpixel_high = 0.6
