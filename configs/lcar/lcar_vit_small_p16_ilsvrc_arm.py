# Table 1: SD-CAM and ARM, without SGRM.
_base_ = "./lcar_vit_small_p16_ilsvrc.py"

model = dict(refiners=_base_.model.refiners[:2])
