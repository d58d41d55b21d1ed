# TS-CAM with DeiT-S/16 on CUB-200-2011: 224 px, 14x14 maps.
_base_ = [
    "../_base_/models/deit_small_p16_ts_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/ts_cam_60e.py",
    "../_base_/cls_runtime.py",
]

model = dict(head=dict(num_classes=200))
train_dataloader = dict(batch_size=128)
