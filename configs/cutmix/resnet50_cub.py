# CutMix with ResNet-50 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/resnet50_cub.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=1.35), probs=0.24)
)
optim_wrapper = dict(optimizer=dict(lr=3.333722e-4))
