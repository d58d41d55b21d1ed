# The localization expert as released: blank backgrounds, and batch norms that masked images update.
_base_ = "./vgg16_cub_loc_expert.py"

model = dict(threshold=0.0, masked_batch_norm="separate")
