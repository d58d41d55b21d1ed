# TokenCut on the frozen EfficientNet-Lite0 on CUB-200-2011 or a part of it: the positions of its last but one stage
# are the keys, and a linear classifier reads the last layer. tau: of .2, ..., .6 the best on boxes of 36 training
# images of six classes.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(
    type="wsol_mm.FrozenClassifier",
    taps=dict(key_map="backbone.timm_model.blocks.5"),
    head=dict(type="wsol_mm.TokenCutHead", tau=0.4),
)
