# Table 7: the CLN of cln_r50_ilsvrc.py from MoCo v2, brought over by
# tools/model_converters/moco_to_mmpretrain.py. No label is seen if the boxes' maker has seen none.
_base_ = "./cln_r50_ilsvrc.py"

model = dict(
    detector=dict(
        backbone=dict(init_cfg=dict(checkpoint="data/weights/moco_v2_r50.pth", prefix="backbone."))
    ),
)
