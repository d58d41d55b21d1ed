# Control: a pool that stays zero, so that only the projection's bias changes the features.
_base_ = "./resnet18_toy.py"

model = dict(head=dict(pool="zero"))
