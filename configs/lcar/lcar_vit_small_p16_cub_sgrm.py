# Table 1: SD-CAM and SGRM, without ARM; the head chooses the side.
_base_ = "./lcar_vit_small_p16_cub.py"

model = dict(refiners=_base_.model.refiners[2:])
