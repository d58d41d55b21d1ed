# The same with tokens cached on disk: two fixed views of each image, 7.9 GB.
_base_ = "./sd_cam_vit_small_p16_ilsvrc.py"

train_pipeline = [
    dict(
        type="wsol_mm.FixedViews",
        views=2,
        tokens="data/tokens/dino_vit_small_p16_ilsvrc",
        transforms=_base_.train_pipeline[:-1],
    ),
    dict(type="wsol_mm.PackWSOLInputs", algorithm_keys=("tokens",)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [dict(type="wsol_mm.TokenCacheHook")]
