# CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it. Pool rate: a class remembers a thirtieth of its
# 180 updates (30 images, 6 epochs), as it does in the authors' 3000 at the rate .01.
_base_ = "../nl_ccam/efficientnet_lite0_cub.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=14, rate=0.2),
        combination=dict(_delete_=True, name="neg_quadratic"),
    )
)
