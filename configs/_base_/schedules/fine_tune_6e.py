# Fine-tuning of pretrained features on few images: 6 epochs of 16 images a step at one rate.
param_scheduler = []
train_cfg = dict(by_epoch=True, max_epochs=6, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=16)
