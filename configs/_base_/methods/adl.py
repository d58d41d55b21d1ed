# ADL by network: places and the benchmark's search, as transcribed by third parties.


def _adl(names, drop_rate, threshold):
    layer = dict(type="wsol_mm.ADL", drop_rate=drop_rate, threshold=threshold)
    return dict(
        type="wsol_mm.WSOLClassifier", layers=[dict(after=name, layer=layer) for name in names]
    )


adl = dict(
    # behind pool3, conv4_3 and conv5_3
    vgg16=_adl(
        ["backbone.features.9", "backbone.features.12", "backbone.features.16"],
        drop_rate=0.33,
        threshold=0.72,
    ),
    inception_v3=dict(
        _adl(
            ["backbone.Mixed_5d", "backbone.Mixed_6e", "head.hidden.3"],
            drop_rate=0.69,
            threshold=0.86,
        ),
        head=dict(dropout=0.0),  # as the benchmark has it with ADL
    ),
    resnet50=_adl(
        ["backbone.layer3.0", "backbone.layer4.0", "backbone.layer4.2"],
        drop_rate=0.24,
        threshold=0.76,
    ),
)
