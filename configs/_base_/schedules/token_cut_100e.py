# ILSVRC: the paper and its code leave the classifier's schedule open; 100 epochs are ours.
_base_ = "./token_cut_1000e.py"

param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=True, end=5),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=5, end=100, T_max=95),
]
train_cfg = dict(max_epochs=100, val_interval=10)
