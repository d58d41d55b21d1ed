# Table 7: the Deformable DETR of deformable_detr_r50_cub.py from MoCo v2, brought over by
# tools/model_converters/moco_to_mmpretrain.py. No label is seen if the boxes' maker has seen none.
_base_ = "./deformable_detr_r50_cub.py"

model = dict(
    detector=dict(
        backbone=dict(init_cfg=dict(checkpoint="data/weights/moco_v2_r50.pth", prefix="backbone."))
    ),
)
