# Control: the same fixed bump in the middle of the image for every class instead of the pool.
_base_ = "./efficientnet_lite0_cub.py"

model = dict(
    head=dict(context_pool=dict(_delete_=True, type="wsol_mm.GaussianContextPool", size=14))
)
