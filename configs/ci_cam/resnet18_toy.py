# CI-CAM with a narrow ResNet-18 on toy scenes.
_base_ = "../nl_ccam/resnet18_toy.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        pool_size=12,
        combination=dict(_delete_=True, name="neg_quadratic"),
    )
)
