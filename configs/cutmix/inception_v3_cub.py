# CutMix with Inception V3 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/inception_v3_cub.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=0.04), probs=0.3)
)
optim_wrapper = dict(optimizer=dict(lr=2.25171726e-3))
