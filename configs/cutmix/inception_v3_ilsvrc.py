# CutMix with Inception V3 on ILSVRC.
# Default, not searched: the settings of inception_v3_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/inception_v3_ilsvrc.py"

data_preprocessor = dict(
    batch_augments=dict(augments=dict(type="mmpretrain.CutMix", alpha=0.04), probs=0.3)
)
