# SD-CAM's heads on CUB. The paper leaves optimiser and epochs open: AdamW 1e-3, weight decay .05, a
# cosine over 100 epochs are ours.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05))
# T_max is counted in epochs: change it with the epochs
param_scheduler = dict(
    type="CosineAnnealingLR", by_epoch=True, T_max=100, convert_to_iter_based=True
)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=10)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=128)
