# Table 1: SD-CAM and SGRM, without ARM.
_base_ = "./lcar_vit_tiny_toy.py"

model = dict(refiners=_base_.model.refiners[1:])
