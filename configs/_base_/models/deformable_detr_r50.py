# Deformable DETR as a binary-class detector: MMDetection's (four levels from C3, C4, C5, six layers each
# way, no refinement, one stage) with 30 queries. That has the paper's 16.45 M parameters outside the
# backbone; its number of queries is not given otherwise. Every query is a box: no score is too low.
model = dict(
    type="wsol_mm.BinaryClassDetector",
    detector=dict(
        type="mmdet.DeformableDETR",
        num_queries=30,
        num_feature_levels=4,
        data_preprocessor=dict(
            type="mmdet.DetDataPreprocessor",
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        ),
        backbone=dict(
            type="mmdet.ResNet",
            depth=50,
            out_indices=(1, 2, 3),
            norm_eval=False,  # as in faster_rcnn_r50_c5.py
            init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
        ),
        neck=dict(
            type="mmdet.ChannelMapper",
            in_channels=[512, 1024, 2048],
            kernel_size=1,
            out_channels=256,
            act_cfg=None,
            norm_cfg=dict(type="GN", num_groups=32),
            num_outs=4,
        ),
        encoder=dict(
            num_layers=6,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, batch_first=True),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.1),
            ),
        ),
        decoder=dict(
            num_layers=6,
            return_intermediate=True,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_heads=8, dropout=0.1, batch_first=True),
                cross_attn_cfg=dict(embed_dims=256, batch_first=True),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.1),
            ),
            post_norm_cfg=None,
        ),
        positional_encoding=dict(num_feats=128, normalize=True, offset=-0.5),
        bbox_head=dict(
            type="wsol_mm.BatchDeformableDETRHead",
            num_classes=1,
            sync_cls_avg_factor=True,
            loss_cls=dict(
                type="mmdet.FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0
            ),
            loss_bbox=dict(type="mmdet.L1Loss", loss_weight=5.0),
            loss_iou=dict(type="mmdet.GIoULoss", loss_weight=2.0),
        ),
        train_cfg=dict(
            assigner=dict(
                type="mmdet.HungarianAssigner",
                match_costs=[
                    dict(type="mmdet.FocalLossCost", weight=2.0),
                    dict(type="mmdet.BBoxL1Cost", weight=5.0, box_format="xywh"),
                    dict(type="mmdet.IoUCost", iou_mode="giou", weight=2.0),
                ],
            )
        ),
        test_cfg=dict(max_per_img=30),
    ),
)
