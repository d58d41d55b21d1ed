# New heads on the frozen backbone of a finished run of sd_cam_vit_tiny_toy, tokens cached on disk.
_base_ = "./sd_cam_vit_tiny_toy.py"

model = dict(
    type="wsol_mm.FrozenClassifier",
    backbone=dict(
        init_cfg=dict(
            _delete_=True,
            type="Pretrained",
            checkpoint="work_dirs/sd_cam_vit_tiny_toy/epoch_12.pth",
            prefix="backbone.",
        )
    ),
)
train_pipeline = [
    dict(
        type="wsol_mm.FixedViews",
        views=4,
        tokens="data/tokens/vit_tiny_toy",
        transforms=_base_.train_pipeline[:-1],
    ),
    dict(type="wsol_mm.PackWSOLInputs", algorithm_keys=("tokens",)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [dict(type="wsol_mm.TokenCacheHook")]
