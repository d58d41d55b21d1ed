# CI-CAM with ResNet-50 on CUB-200-2011: KG-CI-CAM's network, of which nothing was released.
_base_ = "../nl_ccam/resnet50_cub.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=14),
        combination=dict(_delete_=True, name="neg_quadratic"),
    )
)
