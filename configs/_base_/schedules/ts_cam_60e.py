# TS-CAM on CUB, from its code: AdamW, 60 epochs, weight decay .05 (none on biases, norms, the class
# token and positions, as in timm's groups, which it takes), a tenth of the rate at the start of the
# epochs that 30 divides, counted from 1.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=5e-5, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={".cls_token": dict(decay_mult=0.0), ".pos_embed": dict(decay_mult=0.0)},
    ),
)
param_scheduler = dict(type="MultiStepLR", by_epoch=True, milestones=[29, 59], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=60, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=128)
