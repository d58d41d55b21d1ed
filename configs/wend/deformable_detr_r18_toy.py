# WEND with a reduced Deformable DETR on 96 px toy scenes: one level of 12x12 cells, one encoder and two
# decoder layers of width 64. A transformer learns little from 600 scenes alone, so the backbone starts
# from the CAM of configs/cam/resnet18_toy.py; `model.detector.backbone.init_cfg=None` starts from random weights.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_adam_50e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").detr_cub,
    detector=dict(
        num_feature_levels=1,
        backbone=dict(
            _delete_=True,
            type="mmpretrain.ResNet",
            depth=18,
            base_channels=16,
            strides=(1, 2, 1, 1),
            init_cfg=dict(
                type="Pretrained",
                checkpoint="work_dirs/resnet18_toy/epoch_12.pth",
                prefix="backbone.",
            ),
        ),
        neck=dict(in_channels=[128], out_channels=64, num_outs=1),
        encoder=dict(
            num_layers=1,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=64, num_levels=1),
                ffn_cfg=dict(embed_dims=64, feedforward_channels=256),
            ),
        ),
        decoder=dict(
            num_layers=2,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=64),
                cross_attn_cfg=dict(embed_dims=64, num_levels=1),
                ffn_cfg=dict(embed_dims=64, feedforward_channels=256),
            ),
        ),
        positional_encoding=dict(num_feats=32),
        bbox_head=dict(
            embed_dims=64,
        ),
    ),
)
# smaller batches for more steps; every part at one rate: a tenth of it left the CAM's backbone as it was
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=1),
            sampling_offsets=dict(lr_mult=1),
            reference_points=dict(lr_mult=1),
        )
    ),
)
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=8, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=8)
auto_scale_lr = dict(base_batch_size=8)
