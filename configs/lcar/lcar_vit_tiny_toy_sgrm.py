# Table 1: SD-CAM and SGRM, without ARM; the head chooses the side.
_base_ = "./lcar_vit_tiny_toy.py"

model = dict(refiners=_base_.model.refiners[2:])
