# CI-CAM by data set, for maps of 14x14.
ci_cam = dict(
    # pool rate .01 (the pool's default), the best class's own map left out: the released code
    cub=dict(
        head=dict(
            type="wsol_mm.CausalCAMHead",
            context_pool=dict(type="wsol_mm.CausalContextPool", size=14),
            combination=dict(_delete_=True, name="neg_quadratic"),
        )
    ),
    # pool rate: the released code of KG-CI-CAM (CI-CAM's text has .01)
    ilsvrc=dict(
        head=dict(
            type="wsol_mm.CausalCAMHead",
            context_pool=dict(type="wsol_mm.CausalContextPool", size=14, rate=0.001),
        )
    ),
)
