# TokenCut on toy scenes. There are no pretrained weights for 96 px, so a small transformer learns the
# classes from scratch, frozen nowhere; the cut itself is untrained as ever.
_base_ = [
    "../_base_/models/vit_small_p16_token_cut.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    taps=dict(qkv="backbone.layers.3.attn.qkv"),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=192
        ),
        img_size=96,
        patch_size=8,
        frozen_stages=-1,
        init_cfg=None,
    ),
    head=dict(num_classes=6, in_channels=96, mask_size=8),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
