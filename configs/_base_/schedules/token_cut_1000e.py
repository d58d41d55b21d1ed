# TokenCut's linear classifier on CUB, from its code's defaults: SGD, 2e-4 per 256 images, weight decay
# .005, 1000 epochs, 50 of them warm-up, then a cosine. Rates at the two ends of the schedule are ours
# (a 50th, 0). Nothing but the classifier trains.
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=2e-4, momentum=0.9, weight_decay=0.005)
)
# T_max and end are counted in epochs: change them with the epochs
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=True, end=50),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=50, end=1000, T_max=950),
]
# the maps do not change while the classifier learns
train_cfg = dict(by_epoch=True, max_epochs=1000, val_interval=50)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=256)
