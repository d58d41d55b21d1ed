# WEND's schedule for Deformable DETR on CUB: Adam, batch 256 in all, a tenth of the rate for the backbone
# and for the projections of reference points and sampling offsets, cosine to 0.
_base_ = "./wend_sgd_50e.py"

optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=2e-4, betas=(0.9, 0.999), weight_decay=1e-4),
    # MMDetection's
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            sampling_offsets=dict(lr_mult=0.1),
            reference_points=dict(lr_mult=0.1),
        )
    ),
)
