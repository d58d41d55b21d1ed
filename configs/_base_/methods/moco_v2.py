# WEND's Table 7: a detector from MoCo v2, brought over by tools/model_converters/moco_to_mmpretrain.py. No
# label is seen if the boxes' maker has seen none.
moco_v2 = dict(
    detector=dict(
        backbone=dict(init_cfg=dict(checkpoint="data/weights/moco_v2_r50.pth", prefix="backbone."))
    ),
)
