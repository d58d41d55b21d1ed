# CutMix with VGG-16 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/vgg16_cub.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=0.85), probs=0.79)
)
optim_wrapper = dict(optimizer=dict(lr=3.220934e-5))
