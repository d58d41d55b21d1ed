# C2AM on ILSVRC: 5 epochs of 256 images, 64 on each of 4 GPUs. Pairs are formed on each GPU alone.
_base_ = "./c2am_20e.py"

param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0, by_epoch=True, end=5, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=5)
auto_scale_lr = dict(base_batch_size=256)
