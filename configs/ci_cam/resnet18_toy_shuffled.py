# Control: every class is enhanced by the context of another one, always the same.
_base_ = "./resnet18_toy.py"

model = dict(head=dict(context_pool=dict(type="wsol_mm.ShuffledContextPool")))
