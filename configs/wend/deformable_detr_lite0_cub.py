# WEND with a reduced Deformable DETR and EfficientNet-Lite0 on CUB-200-2011 or a part of it: one encoder and two
# decoder layers, since few images train no more; values of deformable_detr_r50_cub.py.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/models/efficientnet_lite0.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

_base_.efficientnet_lite0.detector.backbone.update(out_indices=(2, 3, 4), output_stride=32)
model = dict(
    **_base_.pop("wend").detr_cub,
    detector=dict(
        # strides 8, 16 and 32
        **_base_.pop("efficientnet_lite0").detector,
        neck=dict(in_channels=[40, 112, 320]),
        encoder=dict(num_layers=1),
        decoder=dict(num_layers=2),
    ),
)
train_dataloader = dict(batch_size=16)
