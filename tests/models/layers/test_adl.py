"""ADL: which map is applied when, alone and inside a classifier."""

import pytest
import torch
from mmengine.registry import MODELS

from wsol_mm.functional.attention_dropout import attention_dropout
from wsol_mm.models.layers import ADL


@pytest.fixture
def features():
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).relu()


def test_nothing_happens_at_test(features):
    layer = ADL(drop_rate=1.0, threshold=0.1).eval()
    assert layer(features) is features
    assert not list(layer.parameters())


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_certain_rates(features, rate):
    layer = ADL(drop_rate=rate, threshold=0.8)
    expected = attention_dropout(features, 0.8, drop=bool(rate))
    assert all(torch.equal(layer(features), expected) for _ in range(20))


def test_one_coin_for_the_batch_with_the_given_probability(features):
    layer = ADL(drop_rate=0.33, threshold=0.8)
    maps = [attention_dropout(features, 0.8, drop=drop) for drop in (True, False)]
    torch.manual_seed(0)
    counts = [0, 0]
    for _ in range(600):
        got = layer(features)
        found = [torch.equal(got, expected) for expected in maps]
        counts[found.index(True)] += 1
    assert sum(counts) == 600
    assert counts[0] / 600 == pytest.approx(0.33, abs=0.08)  # four standard errors


def test_rate_must_be_a_probability():
    with pytest.raises(ValueError, match="drop_rate must be in"):
        ADL(drop_rate=75)


def test_inside_a_classifier():
    model = MODELS.build(
        dict(
            type="wsol_mm.WSOLClassifier",
            backbone=dict(type="mmpretrain.ResNet", depth=18, base_channels=4),
            layers=[
                dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=1.0, threshold=0.5))
                for name in ("backbone.layer3.0", "backbone.layer4.1")
            ],
            head=dict(type="wsol_mm.CAMHead", num_classes=3, in_channels=32),
        )
    )
    images = torch.randn(2, 3, 64, 64)
    # the second layer's output is the last feature map: empty where attention was high
    attention = model.extract_feat(images)[-1].mean(1).flatten(1)
    assert (attention == 0).any(dim=1).all()
    model.eval()
    assert (model.extract_feat(images)[-1].mean(1) > 0).any()
    assert torch.equal(model.extract_feat(images)[-1], model.backbone(images)[-1])
    assert not any(name.startswith("layers.") for name, _ in model.named_parameters())
