# Controls of CI-CAM's context pool, for maps of 14x14.
ci_cam_controls = dict(
    # every image is enhanced by the mean over all classes' contexts (eq. 6's 1/n sum)
    averaged=dict(head=dict(context_pool=dict(type="wsol_mm.AveragedContextPool"))),
    # every class is enhanced by the context of another one, always the same
    shuffled=dict(head=dict(context_pool=dict(type="wsol_mm.ShuffledContextPool"))),
    # the same fixed bump in the middle of the image for every class instead of the pool
    gaussian=dict(
        head=dict(context_pool=dict(_delete_=True, type="wsol_mm.GaussianContextPool", size=14))
    ),
    # a pool that stays zero, so that only the projection's bias changes the features
    zero=dict(head=dict(context_pool=dict(_delete_=True, type="wsol_mm.ZeroContextPool", size=14))),
    # no second branch: two branches with the same features have the same loss twice (Table 3, "two
    # classifiers" without a pool)
    one_branch=dict(
        head=dict(
            combination=dict(_delete_=True, name="neg_quadratic"),
            loss=dict(loss_weight=2.0),
        )
    ),
)
