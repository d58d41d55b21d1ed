# Control: every class is enhanced by the context of another one, always the same.
_base_ = "./efficientnet_lite0_cub.py"

model = dict(head=dict(context_pool=dict(type="wsol_mm.ShuffledContextPool")))
