# TS-CAM on ILSVRC: 20 epochs, lowered at the start of epochs 10, 12 and 20, which 10 or 12 divides.
_base_ = "./ts_cam_60e.py"

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = dict(milestones=[9, 11, 19])
train_cfg = dict(max_epochs=20)
auto_scale_lr = dict(base_batch_size=256)
