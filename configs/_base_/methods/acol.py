# ACoL by network. Thresholds: the benchmark's search on CUB, as transcribed by third parties.
acol = dict(
    # the benchmark's 3x3 poolings, then both heads on conv5_3
    vgg16=dict(
        model=dict(
            backbone=dict(pools="acol", out_channels=None),
            head=dict(type="wsol_mm.ACoLHead", in_channels=512, threshold=0.89),
        )
    ),
    # its heads, unlike CAM's, have no dropout
    inception_v3=dict(model=dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.79, dropout=0.0))),
    resnet50=dict(
        model=dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.57)),
        # the benchmark finds its fast parameters by name, `fc.` and not these heads
        optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1)))),
    ),
)
