# SCR on ILSVRC as in C2AM's code: 4 GPUs x 64 images, 20 epochs. PSOL's own: 6 epochs at a constant rate,
# half of this one.
_base_ = "./scr_100e.py"

param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=20, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=20)
auto_scale_lr = dict(base_batch_size=256)
