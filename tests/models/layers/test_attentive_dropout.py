"""AttentiveDropout: where it drops, in training only, and as an inserted layer."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from wsol_mm.models.layers import AttentiveDropout


def test_training_drops_whole_positions_and_keeps_the_rest_as_it_is():
    torch.manual_seed(0)
    features = torch.rand(3, 4, 30, 30, requires_grad=True)
    layer = AttentiveDropout(threshold=0.7, drop_prob=0.5)
    dropped = layer(features)
    attention = features.mean(1)
    candidate = attention > 0.7 * attention.amax((1, 2), keepdim=True)
    gone = (dropped == 0).all(dim=1)
    assert 0 < gone.sum() < candidate.sum()
    assert not (gone & ~candidate).any()
    kept = ~gone[:, None].expand_as(features)
    assert torch.equal(dropped[kept], features[kept])
    dropped.sum().backward()
    assert torch.equal(features.grad, kept.float())


def test_at_test_it_passes_the_features_on():
    features = torch.rand(1, 2, 4, 4)
    state = torch.get_rng_state()
    assert AttentiveDropout(drop_prob=1.0).eval()(features) is features
    assert torch.equal(torch.get_rng_state(), state)


def test_the_threshold_is_relative_to_the_images_maximum_by_default():
    features = torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3)
    relative = AttentiveDropout(threshold=0.6, drop_prob=1.0)
    assert relative(features).flatten().tolist() == [1, 2, 0]
    assert relative(features * 100).flatten().tolist() == [100, 200, 0]
    absolute = AttentiveDropout(threshold=1.5, drop_prob=1.0, relative=False)
    assert absolute(features).flatten().tolist() == [1, 0, 0]
    assert absolute(features * 100).abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_half(dtype):
    features = torch.full((1, 512, 2, 2), 60_000.0, dtype=dtype)  # their sum overflows float16
    features[..., 0] = 0
    dropped = AttentiveDropout(drop_prob=1.0)(features)
    assert dropped.dtype == dtype
    assert dropped.abs().max() == 0


def test_it_can_stand_inside_a_backbone():
    cfg = {
        "type": "wsol_mm.WSOLClassifier",
        "backbone": {"type": "ResNet", "depth": 18, "base_channels": 8},
        "head": {"type": "wsol_mm.CAMHead", "num_classes": 3, "in_channels": 64},
        "layers": [
            {"after": "backbone.layer4", "layer": {"type": "wsol_mm.AttentiveDropout"}},
        ],
    }
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg)
    images = torch.randn(2, 3, 64, 64)
    first, second = (model.extract_feat(images)[-1] for _ in range(2))
    assert not torch.equal(first, second)
    model.eval()
    first, second = (model.extract_feat(images)[-1] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"threshold": -0.1, "relative": False}, "threshold=-0.1"),
        ({"threshold": 1.5}, "threshold=1.5 must lie in"),
        ({"drop_prob": 1.1}, "drop_prob=1.1"),
    ],
)
def test_impossible_settings_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        AttentiveDropout(**keys)
