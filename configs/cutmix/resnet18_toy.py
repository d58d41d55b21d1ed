# CutMix with a narrow ResNet-18 on toy scenes, from scratch. Every second batch, any box size.
_base_ = "../cam/resnet18_toy.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=1.0), probs=0.5)
)
