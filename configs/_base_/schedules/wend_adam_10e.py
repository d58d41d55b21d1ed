# WEND's schedule for Deformable DETR on ILSVRC: 10 epochs.
_base_ = "./wend_adam_50e.py"

param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=10, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=10)
