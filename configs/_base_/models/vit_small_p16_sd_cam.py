# SD-CAM on DINO's ViT-S/16: a teacher on class token and mean patch, a CAM student on the patches; the
# backbone is frozen. alpha .3, T 3, beta .6 are the head's defaults (LCAR, implementation details).
_base_ = "./vit_small_p16_token_cut.py"

model = dict(type="wsol_mm.FrozenClassifier", head=dict(type="wsol_mm.SDCAMHead"))
