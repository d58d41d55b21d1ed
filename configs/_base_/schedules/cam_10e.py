# ILSVRC and OpenImages30k: 10 epochs, a tenth of the rate from epochs 3, 6 and 9 on, counted from 1.
# Third-party transcription of the benchmark's settings.
_base_ = "./cam_50e.py"

param_scheduler = dict(milestones=[2, 5, 8])
train_cfg = dict(max_epochs=10)
