# resnet50_cub as the authors' code trains it: the dropped branch moves the running statistics of batch
# norm too (README, "Batch norm in the second branch").
_base_ = "./resnet50_cub.py"

model = dict(erasing=dict(batch_norm="separate"))
