# CAM with EfficientNet-Lite0 on thirty classes of Tiny ImageNet at 128 px: 16x16 maps.
_base_ = [
    "../_base_/models/efficientnet_lite0_cam.py",
    "../_base_/datasets/tiny_imagenet_mini.py",
    "../_base_/schedules/fine_tune_6e.py",
    "../_base_/cls_runtime.py",
]

data_preprocessor = _base_.pop("efficientnet_lite0").data_preprocessor
model = dict(backbone=dict(output_stride=8), head=dict(num_classes=30))
classes_from_data = True
train_dataloader = dict(batch_size=16)
