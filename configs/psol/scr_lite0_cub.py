# Single-class regression with EfficientNet-Lite0 on CUB-200-2011 or a part of it.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/models/efficientnet_lite0.py",
    "../_base_/datasets/cub_scr.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    detector=dict(
        data_preprocessor=_base_.efficientnet_lite0.data_preprocessor,
        # the last layer, 7x7 cells
        backbone=dict(_base_.pop("efficientnet_lite0").backbone, _delete_=True, output_stride=32),
        bbox_head=dict(in_channels=1280),
    ),
)
train_dataloader = dict(batch_size=16)
