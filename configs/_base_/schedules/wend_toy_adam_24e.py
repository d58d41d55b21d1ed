# Toy scenes: batch 16, 24 epochs of Adam at one rate, cosine to 0 at every iteration. Under SGD single-class
# regression stayed near the mean box for epochs in which Adam found the objects.
_base_ = "./wend_sgd_50e.py"

optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=2e-3, betas=(0.9, 0.999), weight_decay=1e-4),
)
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=24, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=24, val_interval=3)
auto_scale_lr = dict(base_batch_size=16)
