# CutMix with ResNet-50 on ILSVRC.
# Default, not searched: the settings of resnet50_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/resnet50_ilsvrc.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=1.35), probs=0.24)
)
