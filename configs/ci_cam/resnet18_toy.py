# CI-CAM with a narrow ResNet-18 on toy scenes. Pool rate: on CUB a class has some 3000 updates (30
# images, 100 epochs) and remembers 100 of them, a thirtieth; here every batch holds every class, which
# makes 19 updates in each of 12 epochs, of which .1 remembers 10.
_base_ = "../nl_ccam/resnet18_toy.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=12, rate=0.1),
        combination=dict(_delete_=True, name="neg_quadratic"),
    )
)
