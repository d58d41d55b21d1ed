# Control: the same fixed bump in the middle of the image for every class instead of the pool.
_base_ = "./resnet18_toy.py"

model = dict(head=dict(pool="gaussian"))
