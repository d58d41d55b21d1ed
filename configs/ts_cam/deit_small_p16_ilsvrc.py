# TS-CAM with DeiT-S/16 on ILSVRC: 224 px, 14x14 maps.
_base_ = [
    "../_base_/models/deit_small_p16_ts_cam.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/ts_cam_20e.py",
    "../_base_/cls_runtime.py",
]

train_dataloader = dict(batch_size=256)
