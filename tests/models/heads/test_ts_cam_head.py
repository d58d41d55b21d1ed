"""TS-CAM: class maps times the class token's attention."""

import pytest
import torch
from mmpretrain.structures import DataSample

from wsol_mm.models.heads import TappedFeatures, TSCAMHead

HEADS, CHANNELS, CLASSES, GRID = 2, 8, 4, (3, 5)


def head(**kwargs):
    torch.manual_seed(0)
    return TSCAMHead(CLASSES, CHANNELS, HEADS, **kwargs)


def features(layers=3, count=2, extra=1):
    torch.manual_seed(1)
    tokens = extra + GRID[0] * GRID[1]
    qkv = tuple(torch.randn(count, tokens, 3 * CHANNELS) for _ in range(layers))
    return TappedFeatures((torch.randn(count, CHANNELS, *GRID),), {"qkv": qkv})


def full_attention(feats, extra=1):
    """Sum over layers of the head-averaged class row of the whole attention matrix."""
    total = 0
    for qkv in feats.taps["qkv"]:
        query, key, _ = qkv.unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        matrix = (query @ key.mT / (CHANNELS // HEADS) ** 0.5).softmax(dim=-1)
        total = total + matrix.mean(dim=1)[:, 0, extra:].unflatten(1, GRID)
    return total


def test_scores_are_the_means_of_the_class_maps():
    module, feats = head(), features()
    torch.testing.assert_close(module(feats), module.conv(feats[-1]).mean(dim=(2, 3)))


@pytest.mark.parametrize("extra", [1, 2])
def test_maps_are_the_product_of_both_factors(extra):
    module, feats = head(num_maps=2), features(extra=extra)
    samples = module.predict(feats, [DataSample().set_gt_label(label) for label in (3, 0)])
    semantic, attention = module.conv(feats[-1]), full_attention(feats, extra) / 3
    for i, (sample, label) in enumerate(zip(samples, (3, 0), strict=True)):
        assert sample.map_labels[0] == label
        assert sample.map_labels.unique().numel() == sample.map_labels.numel() >= 2
        assert sample.pred_maps.dtype == torch.float32
        expected = semantic[i, sample.map_labels] * attention[i]
        torch.testing.assert_close(sample.pred_maps, expected)
        best = semantic[i].mean(dim=(1, 2)).argmax()
        assert best in sample.map_labels


def test_each_factor_alone():
    feats = features()
    labels = torch.tensor([[1, 2], [0, 3]])
    maps = {}
    for kind in ("coupled", "semantic", "attention"):
        module = head(map_kind=kind)
        maps[kind] = module.localization_maps(feats, labels)
    torch.testing.assert_close(maps["coupled"], maps["semantic"] * maps["attention"])
    assert torch.equal(maps["attention"][:, 0], maps["attention"][:, 1])
    assert not torch.equal(maps["semantic"][:, 0], maps["semantic"][:, 1])


def test_it_learns_through_the_class_maps_only():
    module = head()
    feats = features()
    for feature in (*feats, *feats.taps["qkv"]):
        feature.requires_grad_()
    samples = [DataSample().set_gt_label(label) for label in (3, 0)]
    module.loss(feats, samples)["loss"].backward()
    assert feats[-1].grad.abs().sum() > 0
    assert feats.taps["qkv"][0].grad is None


def test_maps_stay_float32_under_autocast():
    module, feats = head(), features()
    with torch.autocast("cpu", torch.bfloat16):
        (sample, _) = module.predict(feats)
    assert sample.pred_maps.dtype == torch.float32
    assert sample.pred_maps.isfinite().all()


def test_wrong_settings_and_features_are_named():
    with pytest.raises(ValueError, match="map_kind must be one of"):
        head(map_kind="both")
    with pytest.raises(ValueError, match="num_maps must be positive"):
        head(num_maps=0)
    with pytest.raises(ValueError, match=r"taps=dict\(qkv=.*the layers' attn\.qkv"):
        head().predict((torch.zeros(1, CHANNELS, 3, 5),))
    with pytest.raises(ValueError, match="out_type='featmap'"):
        head()((torch.zeros(1, 16, CHANNELS),))
    with pytest.raises(ValueError, match="heads do not divide"):
        TSCAMHead(CLASSES, CHANNELS, 3).predict(features())
