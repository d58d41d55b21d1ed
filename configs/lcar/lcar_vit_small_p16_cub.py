# The whole of LCAR on CUB: SD-CAM, then ARM, then SGRM, whose defaults are the paper's here. Nothing
# of it trains but SD-CAM: train that config, test this one with its checkpoint.
_base_ = ["./sd_cam_vit_small_p16_cub.py", "../_base_/methods/lcar.py"]

model = _base_.pop("lcar")
