# DeiT-S/16 with a 3x3 convolution on the patch tokens; the attention of all 12 layers is read from
# their queries and keys.
_base_ = "mmpretrain::_base_/models/vit-base-p16.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(qkv=[f"backbone.layers.{number}.attn.qkv" for number in range(12)]),
    backbone=dict(
        arch="deit-small",
        drop_rate=0.0,
        drop_path_rate=0.1,
        out_type="featmap",
        init_cfg=dict(
            _delete_=True,
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/deit/deit-small_pt-4xb256_in1k_20220218-9425b9bb.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(
        _delete_=True, type="wsol_mm.TSCAMHead", num_classes=1000, in_channels=384, num_heads=6
    ),
)
