# SCR, PSOL's single-class regression: pooled features, a layer of 512, four sigmoids. 24.56 M parameters.
model = dict(
    type="wsol_mm.BinaryClassDetector",
    detector=dict(
        type="mmdet.SingleStageDetector",
        data_preprocessor=dict(
            type="mmdet.DetDataPreprocessor",
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        ),
        backbone=dict(
            type="mmdet.ResNet",
            depth=50,
            out_indices=(3,),
            norm_eval=False,  # as in faster_rcnn_r50_c5.py
            init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
        ),
        bbox_head=dict(type="wsol_mm.SingleClassRegressionHead", in_channels=2048),
    ),
)
