"""AlignmentHead: which terms are computed, from what, and that none of them leaves a trace."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from wsol_mm.functional.alignment import (
    norm_loss,
    norm_map,
    normalized_norm_map,
    similarity_loss,
    similarity_maps,
)
from wsol_mm.models.heads import AlignmentHead, CAMHead, alignment_head

SIM = {"type": "wsol_mm.SimilarityLoss", "tau_fg": 0.6, "tau_bg": 0.1, "loss_weight": 0.5}
NORM = {"type": "wsol_mm.NormLoss", "rule": "fine_grained", "loss_weight": 0.15}
BACKBONE = {"type": "ResNet", "depth": 18, "base_channels": 8}


def build(seed=0, **keys):
    torch.manual_seed(seed)
    head = AlignmentHead(num_classes=5, in_channels=4, **keys)
    torch.nn.init.normal_(head.fc.weight)
    return head


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.fixture
def feats():
    torch.manual_seed(3)
    return (torch.randn(3, 4, 6, 5).relu(),)


@pytest.mark.parametrize("rule", ["general", "fine_grained"])
def test_terms_are_those_of_the_functions(rule, feats):
    head = build(loss_sim=SIM, loss_norm={**NORM, "rule": rule})
    losses = head.loss(feats, labelled(4, 0, 2))
    shares = {f"share_{part}_{rule}" for part in ("fg", "bg") for rule in ("norm", "similarity")}
    assert set(losses) == {"loss", "loss_sim", "loss_norm", *shares}
    plain = torch.nn.functional.cross_entropy(head(feats), torch.tensor([4, 0, 2]))
    torch.testing.assert_close(losses["loss"], plain)
    norm01 = normalized_norm_map(feats[0])
    similarity = similarity_maps(feats[0], head.fc.weight)
    own = similarity[torch.arange(3), [4, 0, 2]]
    expected = 0.5 * similarity_loss(norm01, own, 0.6, 0.1)
    torch.testing.assert_close(losses["loss_sim"], expected)
    marks = similarity if rule == "fine_grained" else own[:, None]
    torch.testing.assert_close(losses["loss_norm"], 0.15 * norm_loss(norm01, marks))
    count = norm01.numel()
    for key, region in (
        ("share_fg_norm", norm01 > 0.6),
        ("share_bg_norm", norm01 < 0.1),
        ("share_fg_similarity", marks.amax(1) > 0),
        ("share_bg_similarity", marks.amax(1) < 0),
    ):
        assert losses[key].item() == pytest.approx(region.sum().item() / count)


def test_gradients_reach_features_and_weights_through_the_similarity(feats):
    head = build(loss_sim=SIM)
    features = feats[0].clone().requires_grad_()
    head.loss((features,), labelled(4, 0, 2))["loss_sim"].backward()
    assert features.grad.abs().sum() > 0
    touched = head.fc.weight.grad.abs().sum(1) > 0
    assert touched.tolist() == [True, False, True, False, True]
    assert head.fc.bias.grad is None


def test_the_norm_loss_leaves_the_weights_alone(feats):
    head = build(loss_norm=NORM)
    features = feats[0].clone().requires_grad_()
    head.loss((features,), labelled(4, 0, 2))["loss_norm"].backward()
    assert features.grad.abs().sum() > 0
    assert head.fc.weight.grad is None


def switched_off(head):
    head.loss_sim.enabled = head.loss_norm.enabled = False


@pytest.mark.parametrize(
    ("keys", "change", "left"),
    [
        ({}, None, set()),
        ({"loss_sim": SIM}, None, {"loss_sim"}),
        ({"loss_norm": NORM}, None, {"loss_norm"}),
        ({"loss_sim": {**SIM, "loss_weight": 0}, "loss_norm": NORM}, None, {"loss_norm"}),
        ({"loss_sim": SIM, "loss_norm": {**NORM, "loss_weight": 0.0}}, None, {"loss_sim"}),
        ({"loss_sim": SIM, "loss_norm": NORM}, switched_off, set()),
    ],
)
def test_a_term_without_part_is_not_computed(keys, change, left, feats, monkeypatch):
    head = build(**keys)
    if change:
        change(head)
    calls = []

    def count(features, weight, labels=None):
        calls.append("all" if labels is None else "own")
        return similarity_maps(features, weight, labels)

    monkeypatch.setattr(alignment_head, "similarity_maps", count)
    losses = head.loss(feats, labelled(4, 0, 2))
    assert {name for name in losses if "loss" in name} == {"loss"} | left
    # all classes only where the fine-grained rule asks for them
    wanted = {"loss_sim": "own", "loss_norm": "all"}
    assert sorted(calls) == sorted(wanted[name] for name in left)


def test_the_general_rule_needs_no_other_class(feats, monkeypatch):
    head = build(loss_sim=SIM, loss_norm={**NORM, "rule": "general"})
    seen = []
    monkeypatch.setattr(
        alignment_head,
        "similarity_maps",
        lambda *args: seen.append(args[2]) or similarity_maps(*args),
    )
    head.loss(feats, labelled(4, 0, 2))
    assert [labels.tolist() for labels in seen] == [[[4], [0], [2]]] * 2


def test_mixed_images_count_for_their_larger_share(feats):
    head = build(loss_sim=SIM, loss_norm={**NORM, "rule": "general"})
    samples = labelled(4, 0, 2)
    shares = torch.zeros(3, 5)
    for row, (label, other, share) in enumerate([(4, 1, 0.3), (0, 3, 0.7), (2, 0, 0.5)]):
        shares[row, label], shares[row, other] = share, 1 - share
        samples[row].set_gt_score(shares[row])
    mixed = head.loss(feats, samples)
    plain = head.loss(feats, labelled(1, 0, 2))
    torch.testing.assert_close(mixed["loss_sim"], plain["loss_sim"])
    torch.testing.assert_close(mixed["loss_norm"], plain["loss_norm"])
    soft = torch.nn.functional.cross_entropy(head(feats), shares)
    torch.testing.assert_close(mixed["loss"], soft)


def test_terms_stay_in_float32_under_autocast(feats):
    head = build(loss_sim=SIM, loss_norm=NORM)
    exact = head.loss(feats, labelled(4, 0, 2))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = head.loss(feats, labelled(4, 0, 2))
    for name in ("loss_sim", "loss_norm"):
        assert torch.equal(exact[name], rounded[name])


def train(model, steps=2):
    """Weights, buffers and random state after some steps."""
    torch.manual_seed(11)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        losses = model.loss(torch.randn(4, 3, 64, 64), labelled(0, 1, 2, 3))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    return {**model.state_dict(), "random state": torch.get_rng_state()}


def test_with_all_weights_zero_training_equals_plain_cam_bit_for_bit():
    def build_model(cls, head, **keys):
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            head = {"num_classes": 5, "in_channels": 64, "dropout": 0.5, **head}
            model = MODELS.build({"type": cls, "backbone": BACKBONE, "head": head, **keys})
            model.init_weights()
        return model.train()

    layer = {"type": "wsol_mm.AttentiveDropout"}
    erasing = {"after": "backbone.layer4.0", "layer": layer}
    bridge = {"type": "wsol_mm.AlignmentHead", "loss_sim": SIM, "loss_norm": NORM}
    zero = {
        "type": "wsol_mm.AlignmentHead",
        "loss_sim": {**SIM, "loss_weight": 0},
        "loss_norm": {**NORM, "loss_weight": 0},
    }
    plain = train(build_model("mmpretrain.ImageClassifier", {"type": "wsol_mm.CAMHead"}))
    off = {**erasing, "loss_weight": 0}
    ours = train(build_model("wsol_mm.WSOLClassifier", zero, erasing=off))
    assert plain.keys() == ours.keys()
    for key, value in plain.items():
        assert torch.equal(value, ours[key]), key
    # the control: with weights it is another network, and the mask was drawn
    on = {**erasing, "loss_weight": 3}
    full = train(build_model("wsol_mm.WSOLClassifier", bridge, erasing=on))
    assert not torch.equal(full["head.fc.weight"], ours["head.fc.weight"])
    assert not torch.equal(full["random state"], ours["random state"])


# --- maps of CAMHead -----------------------------------------------------------------------------


@torch.no_grad()
def test_map_kinds(feats):
    labels = torch.tensor([[4, 1], [0, 2], [3, 3]])
    maps = {}
    for kind in ("cam", "norm", "similarity"):
        head = CAMHead(num_classes=5, in_channels=4, map_kind=kind)
        head.fc.weight.copy_(torch.linspace(-1, 1, 20).view(5, 4))
        maps[kind] = head.localization_maps((feats[0].half(),), labels)
        assert maps[kind].shape == (3, 2, 6, 5)
        assert maps[kind].dtype == torch.float32
    assert torch.equal(maps["norm"], norm_map(feats[0].half())[:, None].expand(3, 2, 6, 5))
    similarity = similarity_maps(feats[0].half(), head.fc.weight, labels)
    assert torch.equal(maps["similarity"], similarity)
    length = head.fc.weight[labels].norm(dim=2)[:, :, None, None]
    torch.testing.assert_close(maps["cam"], length * maps["norm"] * maps["similarity"])


@torch.no_grad()
def test_predict_writes_the_chosen_map(feats):
    head = AlignmentHead(num_classes=5, in_channels=4, map_kind="norm").eval()
    for index, sample in enumerate(head.predict(feats, labelled(4, 0, 2))):
        expected = norm_map(feats[0])[index].expand(len(sample.map_labels), -1, -1)
        torch.testing.assert_close(sample.pred_maps, expected)


def test_an_unknown_map_is_refused():
    with pytest.raises(ValueError, match=r"map_kind must be one of .*'cams'"):
        CAMHead(num_classes=5, in_channels=4, map_kind="cams")
