# DINO's ViT-S/16, frozen; keys of the last block, tokens behind the final norm. The published weights
# are brought to this network's names by tools/model_converters/vit_to_mmpretrain.py.
_base_ = "mmpretrain::_base_/models/vit-base-p16.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    taps=dict(qkv="backbone.layers.11.attn.qkv", tokens="backbone.ln1"),
    backbone=dict(
        arch="deit-small",
        drop_rate=0.0,
        out_type="featmap",
        frozen_stages=12,
        init_cfg=dict(
            _delete_=True,
            type="Pretrained",
            checkpoint="data/weights/dino_vit_small_p16.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(_delete_=True, type="wsol_mm.TokenCutHead", num_classes=1000, in_channels=384),
)
