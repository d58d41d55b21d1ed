# CUB: 50 epochs, a tenth of the rate from epochs 15, 30 and 45 on, counted from 1: the benchmark
# lowers the rate at the start of every epoch its decay frequency divides, so the first stage is one
# epoch shorter than the others. Epochs and frequency: third-party transcription of its settings.
param_scheduler = dict(type="MultiStepLR", by_epoch=True, milestones=[14, 29, 44], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)
