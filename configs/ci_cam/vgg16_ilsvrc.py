# CI-CAM with VGG-16 on ILSVRC. Pool rate: the released code of KG-CI-CAM (CI-CAM's text has .01).
_base_ = "../nl_ccam/vgg16_ilsvrc.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=14, rate=0.001),
    )
)
