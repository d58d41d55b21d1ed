# Control: a pool that stays zero, so that only the projection's bias changes the features.
_base_ = "./resnet18_toy.py"

model = dict(head=dict(context_pool=dict(_delete_=True, type="wsol_mm.ZeroContextPool", size=12)))
