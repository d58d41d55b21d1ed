# C2AM with EfficientNet-Lite0 on CUB-200-2011 or a part of it, images squashed to 224 px as in every other
# config of this network, on its last layer alone. Rates are those of fine-tuning; the authors' 1e-4 without
# momentum would stand still in so few steps.
_base_ = "../cam/efficientnet_lite0_cub.py"

model = dict(head=dict(type="wsol_mm.C2AMHead"))
# thresholds are shares of the maximum, as the authors'
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [dict(type="wsol_mm.PolarityVoteHook")]
