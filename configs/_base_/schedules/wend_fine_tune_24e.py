# Binary-class detectors on pretrained features and few images: 24 epochs of 16 images a step, Adam, cosine to 0
# at every iteration, a tenth of the rate for the backbone. Ours, not tuned.
_base_ = "./wend_adam_50e.py"

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=24, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=24, val_interval=3)
auto_scale_lr = dict(base_batch_size=16)
