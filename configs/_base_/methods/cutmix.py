# CutMix by network: the benchmark's search, as transcribed by third parties.


def _cutmix(alpha, probs):
    augments = dict(type="mmpretrain.CutMix", alpha=alpha)
    return dict(batch_augments=dict(augments=augments, probs=probs))


cutmix = dict(
    vgg16=_cutmix(alpha=0.85, probs=0.79),
    inception_v3=_cutmix(alpha=0.04, probs=0.3),
    resnet50=_cutmix(alpha=1.35, probs=0.24),
    # every second batch, any box size, not searched
    default=_cutmix(alpha=1.0, probs=0.5),
)
