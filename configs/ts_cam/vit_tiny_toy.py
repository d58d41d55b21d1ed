# TS-CAM with a small transformer on toy scenes, from scratch: 96 px, 12x12 maps.
_base_ = [
    "../_base_/models/deit_small_p16_ts_cam.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    taps=dict(qkv=[f"backbone.layers.{number}.attn.qkv" for number in range(4)]),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=192
        ),
        img_size=96,
        patch_size=8,
        drop_path_rate=0.0,
        init_cfg=None,
    ),
    head=dict(num_classes=6, in_channels=96, num_heads=3),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
