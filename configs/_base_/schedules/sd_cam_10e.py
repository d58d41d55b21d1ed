# SD-CAM's heads on ILSVRC: 10 epochs of 1024 images a step, ours as well.
_base_ = "./sd_cam_100e.py"

param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10, val_interval=5)
auto_scale_lr = dict(base_batch_size=1024)
