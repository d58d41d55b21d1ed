"""CombinationalCAMHead: one map for all classes, or one with each class on the first rank."""

import copy

import pytest
import torch
from mmpretrain.structures import DataSample

from wsol_mm.functional.class_map_combination import combination_weights
from wsol_mm.models.heads import CAMHead, CombinationalCAMHead


def build(name="linear", **kwargs):
    torch.manual_seed(1)
    head = CombinationalCAMHead(9, 4, combination={"name": name}, **kwargs)
    torch.nn.init.normal_(head.fc.weight)
    return head.eval()


def combined(head, features, order, name="linear"):
    gamma = combination_weights(name, 9)
    class_maps = torch.einsum("kc,chw->khw", head.fc.weight, features)
    total = sum(gamma[rank] * class_maps[label] for rank, label in enumerate(order))
    return total - total.min()


@pytest.fixture
def feats():
    return (torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)),)


@torch.no_grad()
@pytest.mark.parametrize("ranks", ["predicted", "label"])
def test_maps_of_the_wanted_classes(feats, ranks):
    head = build(ranks=ranks)
    samples = head.predict(feats, [DataSample().set_gt_label(label) for label in (0, 4, 8)])
    for features, sample in zip(feats[0], samples, strict=True):
        order = sample.pred_score.argsort(descending=True).tolist()
        assert sample.map_labels[0] == sample.gt_label
        assert len(sample.map_labels) == len(sample.pred_maps) >= 5
        for label, score_map in zip(sample.map_labels.tolist(), sample.pred_maps, strict=True):
            if ranks == "label":
                ranked = [label, *(other for other in order if other != label)]
            else:
                ranked = order
            expected = combined(head, features, ranked)
            torch.testing.assert_close(score_map, expected, rtol=1e-5, atol=1e-5)
    same = (samples[0].pred_maps == samples[0].pred_maps[0]).all()
    assert same == (ranks == "predicted")


@torch.no_grad()
def test_none_is_the_best_classes_own_map(feats):
    head = build("none")
    plain = CAMHead(9, 4).eval()
    plain.load_state_dict(head.state_dict())
    for ours, theirs in zip(head.predict(feats), plain.predict(feats), strict=True):
        own = theirs.pred_maps[0] - theirs.pred_maps[0].min()
        torch.testing.assert_close(ours.pred_maps[0], own)
        torch.testing.assert_close(ours.pred_score, theirs.pred_score)


def test_trains_as_the_plain_head_does(feats):
    head, plain = build(), CAMHead(9, 4)
    plain.load_state_dict(head.state_dict())
    samples = [DataSample().set_gt_label(label) for label in (0, 4, 8)]
    assert torch.equal(head.loss(feats, samples)["loss"], plain.loss(feats, samples)["loss"])


@torch.no_grad()
def test_maps_stay_in_float32_under_autocast(feats):
    head = build("neg_quadratic", ranks="label")
    with torch.autocast("cpu", torch.bfloat16):
        (sample, *_) = head.predict(feats, [DataSample().set_gt_label(2) for _ in range(3)])
    assert sample.pred_maps.dtype == torch.float32
    order = [2, *(i for i in sample.pred_score.argsort(descending=True).tolist() if i != 2)]
    expected = combined(head, feats[0][0], order, "neg_quadratic")
    torch.testing.assert_close(sample.pred_maps[0], expected, rtol=1e-5, atol=1e-5)


def test_copies_and_checkpoints_are_those_of_the_plain_head(feats):
    head = build()
    assert set(head.state_dict()) == {"fc.weight", "fc.bias"}
    assert torch.equal(copy.deepcopy(head)(feats), head(feats))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"combination": {"name": "cubic"}}, "combination 'cubic'"),
        ({"combination": {"name": "top1_minus_lowest", "lowest": 20}}, "lowest=20"),
        ({"combination": {"name": "linear"}, "ranks": "gt"}, "ranks='gt'"),
        ({"combination": {"name": "linear"}, "map_bias": True}, "remove map_bias"),
    ],
)
def test_refuses_what_has_no_meaning(settings, message):
    with pytest.raises(ValueError, match=message):
        CombinationalCAMHead(9, 4, **settings)
