# Control: a pool that stays zero, so that only the projection's bias changes the features.
_base_ = "./efficientnet_lite0_cub.py"

model = dict(head=dict(context_pool=dict(_delete_=True, type="wsol_mm.ZeroContextPool", size=14)))
