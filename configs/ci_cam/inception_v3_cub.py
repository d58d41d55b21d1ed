# CI-CAM with Inception V3 on CUB-200-2011, on the released code's schedule. Its network has no
# non-local blocks; ours has KG-CI-CAM's three.
_base_ = "../nl_ccam/inception_v3_cub.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=17),
        combination=dict(_delete_=True, name="neg_quadratic"),
    )
)
