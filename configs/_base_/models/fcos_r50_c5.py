# FCOS as a binary-class detector on C5 alone: one 3x3 layer of 2048 channels with group norm per
# branch, which is what WEND's parameter counts (Table 1: 99.12 M, and 102.79 M / 117.54 M with
# 200 / 1000 classes) amount to. Losses and post-processing are MMDetection's FCOS.
model = dict(
    type="wsol_mm.BinaryClassDetector",
    detector=dict(
        type="mmdet.SingleStageDetector",
        data_preprocessor=dict(
            type="mmdet.DetDataPreprocessor",
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_size_divisor=32,
        ),
        backbone=dict(
            type="mmdet.ResNet",
            depth=50,
            out_indices=(3,),
            norm_eval=False,  # as in faster_rcnn_r50_c5.py
            init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
        ),
        bbox_head=dict(
            type="wsol_mm.BatchFCOSHead",
            num_classes=1,
            in_channels=2048,
            feat_channels=2048,
            stacked_convs=1,
            strides=[32],
            regress_ranges=((-1, 1e8),),
            norm_cfg=dict(type="GN", num_groups=32, requires_grad=True),
        ),
        test_cfg=dict(
            nms_pre=1000,
            min_bbox_size=0,
            score_thr=0.05,
            nms=dict(type="nms", iou_threshold=0.5),
            max_per_img=100,
        ),
    ),
)
