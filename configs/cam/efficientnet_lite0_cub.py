# CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Schedule and rates are ours; nothing is
# tuned.
_base_ = [
    "../_base_/models/efficientnet_lite0_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/fine_tune_6e.py",
    "../_base_/cls_runtime.py",
]

data_preprocessor = _base_.pop("efficientnet_lite0").data_preprocessor
model = dict(head=dict(num_classes=200))
classes_from_data = True  # 200 is for the whole of CUB
train_dataloader = dict(batch_size=16)
