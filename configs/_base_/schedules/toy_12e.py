# Toy scenes: 12 epochs, rate up over 2 and down along a cosine at every iteration. Change the epochs
# and the schedulers together.
param_scheduler = [
    dict(type="LinearLR", start_factor=0.04, by_epoch=True, end=2, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=2,
        end=12,
        T_max=10,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)
