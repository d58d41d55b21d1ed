# CI-CAM with Inception V3 on ILSVRC. Pool rate: the released code of KG-CI-CAM (CI-CAM's text has .01).
_base_ = "../nl_ccam/inception_v3_ilsvrc.py"

model = dict(
    head=dict(
        type="wsol_mm.CausalCAMHead",
        context_pool=dict(type="wsol_mm.CausalContextPool", size=17, rate=0.001),
    )
)
