# SPG by network. Thresholds: the benchmark's search on CUB, as transcribed by third parties.


def _head(branch_in_channels, b2, b1, c, **settings):
    # (high, low) of each loss
    losses = {
        name: dict(type="wsol_mm.SelfProducedGuidanceLoss", high=high, low=low)
        for name, (high, low) in dict(loss_b2=b2, loss_b1=b1, loss_c=c).items()
    }
    return dict(type="wsol_mm.SPGHead", branch_in_channels=branch_in_channels, **losses, **settings)


spg = dict(
    # B1 and B2 behind the blocks conv4 and conv5, two 3x3 convolutions before the classifier
    vgg16=dict(
        model=dict(
            type="wsol_mm.WSOLClassifier",
            taps=dict(b1="backbone.features.13", b2="backbone.features.16"),
            backbone=dict(pools="spg", out_channels=None),
            head=_head(
                (512, 512),
                b2=(0.29, 0.23),
                b1=(0.03, 0.02),
                c=(0.82, 0.59),
                in_channels=512,
                hidden_channels=(1024, 1024),
            ),
        ),
        # conv4 and conv5 too: the benchmark moves them out of `features.`, its name for slow layers
        optim_wrapper=dict(
            paramwise_cfg=dict(
                custom_keys={
                    f"backbone.features.{i}": dict(lr_mult=10) for i in (10, 11, 12, 14, 15, 16)
                }
            )
        ),
    ),
    # B2 reads the input of Mixed_6e, as the benchmark's code does; its output looks meant
    # (taps=dict(b1="backbone.Mixed_5d", b2="backbone.Mixed_6e"))
    inception_v3=dict(
        model=dict(
            type="wsol_mm.WSOLClassifier",
            taps=dict(b1="backbone.Mixed_5d", b2="backbone.Mixed_6d"),
            head=_head((288, 768), b2=(0.28, 0.02), b1=(0.17, 0.03), c=(0.47, 0.31)),
        )
    ),
    # B1 behind the first block of layer3, B2 behind its last
    resnet50=dict(
        model=dict(
            type="wsol_mm.WSOLClassifier",
            taps=dict(b1="backbone.layer3.0", b2="backbone.layer3"),
            head=_head((1024, 1024), b2=(0.41, 0.35), b1=(0.24, 0.21), c=(0.12, 0.08)),
        ),
        # the benchmark finds its fast parameters by name, `fc.` and not this head
        optim_wrapper=dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1)))),
    ),
)
