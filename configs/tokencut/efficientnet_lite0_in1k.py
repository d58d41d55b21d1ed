# TokenCut on EfficientNet-Lite0 as its package has it, 1000 classes by its own classifier: nothing is trained. tau as
# in efficientnet_lite0_cub.py. Its checkpoint is the package's file, as in ../cam/efficientnet_lite0_in1k.py.
_base_ = "../cam/efficientnet_lite0_in1k.py"

model = dict(
    type="wsol_mm.FrozenClassifier",
    taps=dict(key_map="backbone.timm_model.blocks.5"),
    head=dict(type="wsol_mm.TokenCutHead", tau=0.4),
)
