"""SPGHead: its losses by hand, what supervises what without gradient, equality with CAMHead."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample

from wsol_mm.models.heads import CAMHead, SPGHead, TappedFeatures

SMALL = {"num_classes": 5, "in_channels": 4}
SIZE = 16
TERMS = {"loss_b2": (0.6, 0.3), "loss_b1": (0.52, 0.49), "loss_c": (0.51, 0.5)}


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def parts():
    """Two inner maps and the last one."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 8, 8), (2, 2, 4, 4), (2, 4, 4, 4))
    return [torch.randn(shape, generator=generator) for shape in shapes]


def tapped(first, second, last):
    """As the classifier hands them to the head."""
    return TappedFeatures((last,), {"b1": first, "b2": second})


def features():
    return tapped(*parts())


def term(name, weight=1.0):
    high, low = TERMS[name]
    kind = "wsol_mm.SelfProducedGuidanceLoss"
    return {"type": kind, "high": high, "low": low, "loss_weight": weight}


def make(weights=(1.0, 1.0, 1.0), **kwargs):
    torch.manual_seed(1)
    losses = {name: term(name, weight) for name, weight in zip(TERMS, weights, strict=True)}
    head = SPGHead(
        **{
            **SMALL,
            "branch_in_channels": (3, 2),
            "branch_channels": 6,
            "mask_size": SIZE,
            **losses,
            **kwargs,
        }
    )
    head.init_weights()
    torch.nn.init.normal_(head.fc.weight)
    torch.nn.init.normal_(head.fc.bias)
    return head


def conv(module, x):
    return F.conv2d(x, module.weight, module.bias, padding=module.kernel_size[0] // 2)


def resize(maps):
    """Bilinear with half-pixel centres, by a loop over output pixels."""
    maps = maps.detach()
    height, width = maps.shape
    out = torch.zeros(SIZE, SIZE)
    for v in range(SIZE):
        for u in range(SIZE):
            y = min(max((v + 0.5) * height / SIZE - 0.5, 0), height - 1)
            x = min(max((u + 0.5) * width / SIZE - 0.5, 0), width - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, height - 1), min(left + 1, width - 1)
            dy, dx = y - top, x - left
            out[v, u] = (1 - dy) * ((1 - dx) * maps[top, left] + dx * maps[top, right]) + dy * (
                (1 - dx) * maps[down, left] + dx * maps[down, right]
            )
    return out


def slow_guidance(pairs, high, low):
    """Mean over the batch's sure pixels; pairs of (logits, scores) for each image."""
    total, count = 0.0, 0
    for logits, scores in pairs:
        scores = scores.flatten().tolist()
        foreground = [score > high for score in scores]
        if sum(foreground) < 30:
            foreground = [score > 0.7 * max(scores) for score in scores]
        for logit, score, hit in zip(logits.flatten().tolist(), scores, foreground, strict=True):
            if hit or score < low:
                total += math.log1p(math.exp(-logit if hit else logit))
                count += 1
    return total / count


def slow_losses(head, labels):
    feats = parts()
    tail = head.branch_shared
    b1, b2, c, class_maps = [], [], [], []
    for i, label in enumerate(labels):
        first = conv(head.branch_1.conv, feats[0][i]).relu()
        second = conv(head.branch_2.conv, feats[1][i]).relu()
        b1.append(resize(conv(tail[1], conv(tail[0].conv, first).relu())[0]))
        b2.append(resize(conv(tail[1], conv(tail[0].conv, second).relu())[0]))
        last = conv(head.branch_c[0].conv, feats[2][i]).relu()
        c.append(resize(conv(head.branch_c[1], last)[0]))
        raw = torch.zeros(feats[2].shape[2:])
        for channel in range(4):
            raw += head.fc.weight[label, channel].item() * feats[2][i, channel]
        raw = resize(raw)
        class_maps.append((raw - raw.min()) / (raw.max() - raw.min()))
    seen = [x.sigmoid() for x in b2]
    mean = [(x.sigmoid() + y) / 2 for x, y in zip(b1, seen, strict=True)]
    return {
        "loss_b2": slow_guidance(zip(b2, class_maps, strict=True), *TERMS["loss_b2"]),
        "loss_b1": slow_guidance(zip(b1, seen, strict=True), *TERMS["loss_b1"]),
        "loss_c": slow_guidance(zip(c, mean, strict=True), *TERMS["loss_c"]),
    }


def test_losses_equal_loops_over_pixels():
    head, feats = make(), features()
    losses = head.loss(feats, labelled(1, 4))
    assert set(losses) == {"loss", *TERMS}
    expected = slow_losses(head, (1, 4))
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, rel=1e-4), name
    logits = feats[-1].mean((2, 3)) @ head.fc.weight.T + head.fc.bias
    torch.testing.assert_close(losses["loss"], F.cross_entropy(logits, torch.tensor([1, 4])))
    # the class map is that of the image's class
    assert head.loss(feats, labelled(0, 4))["loss_b2"] != losses["loss_b2"]


def test_each_loss_reaches_its_own_branch_and_its_layers_input():
    own = {
        "loss": (("fc.",), 2),
        "loss_b2": (("branch_2.", "branch_shared."), 1),
        "loss_b1": (("branch_1.", "branch_shared."), 0),
        "loss_c": (("branch_c.",), 2),
    }
    head = make()
    names = {name for name, _ in head.named_parameters()}
    for name, (prefixes, source) in own.items():
        head.zero_grad()
        feats = [feat.requires_grad_() for feat in parts()]
        head.loss(tapped(*feats), labelled(1, 4))[name].backward()
        reached = {key for key, value in head.named_parameters() if value.grad is not None}
        assert reached == {key for key in names if key.startswith(prefixes)}, name
        assert [feat.grad is not None for feat in feats] == [i == source for i in range(3)], name
        assert feats[source].grad.abs().sum() > 0


@pytest.mark.parametrize("off", list(TERMS))
@pytest.mark.parametrize("how", ["weight", "enabled"])
def test_a_term_that_is_off_is_left_out_and_changes_nothing_else(off, how):
    full = make().loss(features(), labelled(1, 4))
    head = make([0.0 if how == "weight" and name == off else 1.0 for name in TERMS])
    if how == "enabled":
        getattr(head, off).enabled = False
    losses = head.loss(features(), labelled(1, 4))
    assert set(losses) == set(full) - {off}
    for name, value in losses.items():
        assert torch.equal(value, full[name]), name


def test_weights_scale_their_terms():
    single, scaled = (
        make(weights).loss(features(), labelled(1, 4)) for weights in ((1, 1, 1), (2, 3, 4))
    )
    for name, factor in {"loss": 1, "loss_b2": 2, "loss_b1": 3, "loss_c": 4}.items():
        torch.testing.assert_close(scaled[name], factor * single[name])


def test_all_weights_zero_is_cam_head_bit_for_bit_with_the_same_draws():
    common = {**SMALL, "hidden_channels": (6,), "dropout": 0.5, "map_bias": True}
    off = {name: term(name, 0.0) for name in TERMS}
    heads, outcomes = [], []
    for build in (
        lambda: SPGHead(**common, branch_in_channels=(3, 2), **off),
        lambda: CAMHead(**common),
    ):
        torch.manual_seed(3)
        head = build()
        head.init_weights()
        losses = head.loss(features(), labelled(1, 4))
        losses["loss"].backward()
        heads.append(head)
        outcomes.append((losses, torch.get_rng_state()))
    (spg, cam), ((left, state), (right, other)) = heads, outcomes
    assert set(left) == {"loss"}
    assert torch.equal(left["loss"], right["loss"])
    assert torch.equal(state, other)
    assert set(spg.state_dict()) == set(cam.state_dict())
    for a, b in zip(spg.parameters(), cam.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@torch.no_grad()
def test_maps_and_scores_are_the_class_channels_bias_included():
    head, feats = make(map_bias=True).eval(), features()
    maps = F.conv2d(feats[-1], head.fc.weight[:, :, None, None], head.fc.bias)
    for i, sample in enumerate(head.predict(feats, labelled(1, 4))):
        assert sample.map_labels[0] == (1, 4)[i]
        torch.testing.assert_close(sample.pred_maps, maps[i, sample.map_labels])
        torch.testing.assert_close(sample.pred_score, maps[i].mean((1, 2)).softmax(0))


def test_branch_c_reads_the_map_before_the_classifiers_dropout():
    head, feats = make(hidden_channels=(6,), dropout=0.9), features()
    head.hidden[0].p = 0.0
    seen = []
    head.branch_c.register_forward_hook(lambda _module, args, _output: seen.append(args[0]))
    head.loss(feats, labelled(1, 4))
    torch.testing.assert_close(seen[0], head.hidden[1](feats[-1]))


def test_training_guides_by_the_class_map_whatever_is_drawn_at_test():
    cam, norm = (make(map_kind=kind).loss(features(), labelled(1, 4)) for kind in ("cam", "norm"))
    assert torch.equal(cam["loss_b2"], norm["loss_b2"])


@torch.no_grad()
def test_two_classes_and_constant_maps_are_safe():
    head = make(num_classes=2)
    for parameter in head.parameters():
        parameter.zero_()
    feats = tapped(*(torch.ones_like(feat) for feat in parts()))
    losses = head.loss(feats, labelled(0, 1))
    # a constant class map is background everywhere; logits of 0 cost ln 2
    assert losses["loss_b2"].item() == pytest.approx(math.log(2))
    assert all(value.isfinite() for value in losses.values())


def test_mixed_images_guide_by_the_larger_share():
    head, feats = make(), features()
    plain = head.loss(feats, labelled(1, 4))["loss_b2"]
    mixed = labelled(0, 4)
    mixed[0].set_gt_score(torch.tensor([0.3, 0.7, 0.0, 0.0, 0.0]))
    mixed[1].set_gt_score(torch.tensor([0.3, 0.0, 0.0, 0.0, 0.7]))
    assert torch.equal(head.loss(feats, mixed)["loss_b2"], plain)


def test_losses_are_float32_under_autocast():
    head, feats = make(), features()
    exact = head.loss(feats, labelled(1, 4))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = head.loss(feats, labelled(1, 4))
    for name in TERMS:
        assert rounded[name].dtype == torch.float32
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.1)


def test_missing_taps_are_named():
    with pytest.raises(ValueError, match=r"a tap named 'b2', got \[\]; set .*taps=dict\(b2="):
        make().loss(tuple(features()), labelled(1, 4))


@pytest.mark.parametrize(("high", "low"), [(0.2, 0.3), (1.1, 0.3), (0.2, -0.1)])
def test_impossible_thresholds_are_refused(high, low):
    with pytest.raises(ValueError, match="0 <= low <= high <= 1"):
        make(loss_c={**term("loss_c"), "high": high, "low": low})
