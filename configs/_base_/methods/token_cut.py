# TokenCut on EfficientNet-Lite0: the positions of its last but one stage are the keys, and a linear classifier reads
# the last layer. tau: of .2, ..., .6 the best on boxes of 36 training images of six classes.
token_cut = dict(
    type="wsol_mm.FrozenClassifier",
    taps=dict(key_map="backbone.timm_model.blocks.5"),
    head=dict(type="wsol_mm.TokenCutHead", tau=0.4),
)
