# CutMix with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Every second batch, any box size, not
# searched.
_base_ = "../cam/efficientnet_lite0_cub.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=1.0), probs=0.5)
)
