# WEND with Faster R-CNN and EfficientNet-Lite0 on CUB-200-2011 or a part of it; values of faster_rcnn_r50_cub.py.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/models/efficientnet_lite0.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").cub,
    detector=dict(
        **_base_.pop("efficientnet_lite0").detector,
        rpn_head=dict(
            in_channels=320,
            feat_channels=256,
            anchor_generator=dict(scales=[4, 8, 14], strides=[16]),
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=320, featmap_strides=[16]),
            bbox_head=dict(in_channels=320, fc_out_channels=256),
        ),
    ),
)
train_dataloader = dict(batch_size=16)
