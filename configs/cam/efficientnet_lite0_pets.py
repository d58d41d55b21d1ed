# CAM with EfficientNet-Lite0 on a part of Oxford-IIIT Pet, which has masks: boxes and PxAP.
_base_ = [
    "../_base_/models/efficientnet_lite0_cam.py",
    "../_base_/datasets/pets_mini.py",
    "../_base_/schedules/fine_tune_6e.py",
    "../_base_/cls_runtime.py",
]

data_preprocessor = _base_.pop("efficientnet_lite0").data_preprocessor
model = dict(head=dict(num_classes=3))
classes_from_data = True
train_dataloader = dict(batch_size=16)
