# CutMix with VGG-16 on ILSVRC.
# Default, not searched: the settings of vgg16_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/vgg16_ilsvrc.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=0.85), probs=0.79)
)
