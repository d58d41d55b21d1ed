# The same with tokens cached on disk: ten fixed views of each image instead of a new crop per epoch,
# 0.18 GB, and the heads train without reading an image.
_base_ = "./sd_cam_vit_small_p16_cub.py"

train_pipeline = [
    dict(
        type="wsol_mm.FixedViews",
        views=10,
        tokens="data/tokens/dino_vit_small_p16_cub",
        transforms=_base_.train_pipeline[:-1],
    ),
    dict(type="wsol_mm.PackWSOLInputs", algorithm_keys=("tokens",)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [dict(type="wsol_mm.TokenCacheHook")]
