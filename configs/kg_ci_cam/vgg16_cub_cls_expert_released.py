# The classification expert as released: masked images update the batch norms too.
_base_ = "./vgg16_cub_cls_expert.py"

model = dict(masked_batch_norm="separate")
