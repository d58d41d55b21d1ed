# C2AM on the frozen EfficientNet-Lite0 on CUB-200-2011 or a part of it, images squashed to 224 px as in every
# other config of this network. The authors' 1e-4 without momentum leaves their network nearly as ImageNet left
# it, and so it stays here: the rates of fine-tuning cost the map boxes (docs/photographs/taken_apart.md).
_base_ = "../cam/efficientnet_lite0_cub.py"

# Two maps side by side, as the authors' layer3 and layer4; of stages 4, 5 and 6, each alone or beside the last
# layer, this one has the best boxes of 36 val images of six classes (three seeds of the head).
model = dict(
    type="wsol_mm.FrozenClassifier",
    taps=dict(beside="backbone.timm_model.blocks.4"),
    head=dict(type="wsol_mm.C2AMHead", in_channels=112 + 1280),
)
# thresholds are shares of the maximum, as the authors'
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [dict(type="wsol_mm.PolarityVoteHook")]
