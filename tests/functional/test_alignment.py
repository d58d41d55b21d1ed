"""Alignment losses against per-pixel code, gradients by region, and inputs that break divisions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.alignment import (
    attentive_drop_mask,
    norm_loss,
    norm_map,
    normalized_norm_map,
    similarity_loss,
    similarity_maps,
)
from wsol_mm.functional.cam import class_activation_maps


def draw(seed=0, *, images=2, channels=3, side=4, classes=5, dtype=torch.float32):
    """Features with ReLU zeros and with one position without any direction, weights, labels."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(images, channels, side, side, generator=generator).relu()
    features[:, :, 0, 0] = 0
    weight = torch.randn(classes, channels, generator=generator)
    labels = torch.randint(classes, (images, 1), generator=generator)
    return features.to(dtype), weight.to(dtype), labels


def cosine(features, weight, image, label, y, x):
    """Similarity at one position, from the definition."""
    left, right = features[image, :, y, x].tolist(), weight[label].tolist()
    length = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / length if length else 0.0


def hat(features, image):
    """The normalised norm map of one image as {position: value}."""
    side = range(features.shape[-1])
    norm = {(y, x): math.hypot(*features[image, :, y, x].tolist()) for y in side for x in side}
    low, high = min(norm.values()), max(norm.values())
    return {u: (value - low) / (high - low + 1e-15) for u, value in norm.items()}


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def slow_similarity_loss(features, weight, labels, tau_fg, tau_bg):
    losses = []
    for image, label in enumerate(labels[:, 0].tolist()):
        norm = hat(features, image)
        similarity = {u: cosine(features, weight, image, label, *u) for u in norm}
        foreground = mean(similarity[u] for u in norm if norm[u] > tau_fg)
        losses.append(mean(similarity[u] for u in norm if norm[u] < tau_bg) - foreground)
    return mean(losses)


def slow_norm_loss(features, weight, labels, rule):
    losses = []
    for image, label in enumerate(labels[:, 0].tolist()):
        norm = hat(features, image)
        classes = [label] if rule == "general" else range(len(weight))
        best = {u: max(cosine(features, weight, image, c, *u) for c in classes) for u in norm}
        foreground = mean(norm[u] for u in norm if best[u] > 0)
        losses.append(mean(norm[u] for u in norm if best[u] < 0) - foreground)
    return mean(losses)


@given(seed=st.integers(0, 10_000), taus=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_similarity_loss_equals_the_definition(seed, taus):
    features, weight, labels = draw(seed, dtype=torch.float64)
    tau_bg, tau_fg = sorted(taus)
    own = similarity_maps(features, weight, labels)[:, 0]
    loss = similarity_loss(normalized_norm_map(features), own, tau_fg, tau_bg)
    expected = slow_similarity_loss(features, weight, labels, tau_fg, tau_bg)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 10_000), rule=st.sampled_from(["general", "fine_grained"]))
def test_norm_loss_equals_the_definition(seed, rule):
    features, weight, labels = draw(seed, classes=2, dtype=torch.float64)
    similarity = similarity_maps(features, weight, labels if rule == "general" else None)
    loss = norm_loss(normalized_norm_map(features), similarity)
    assert loss.item() == pytest.approx(slow_norm_loss(features, weight, labels, rule), abs=1e-12)


def test_the_two_rules_differ_and_zero_similarity_is_neither_side():
    norm01 = torch.tensor([[[0.2, 0.4, 0.6, 1.0]]])
    own = torch.tensor([[[-0.1, -0.1, 0.0, 0.1]]])
    other = torch.tensor([[[-0.2, 0.2, -0.2, 0.0]]])
    assert norm_loss(norm01, own[:, None]).item() == pytest.approx(0.3 - 1.0)
    both = norm_loss(norm01, torch.stack([own, other], dim=1))
    assert both.item() == pytest.approx(0.2 - 0.7)


def test_thresholds_are_strict():
    norm01 = torch.tensor([[[0.25, 0.75]]])
    similarity = torch.tensor([[[0.5, 0.25]]])
    assert similarity_loss(norm01, similarity, tau_fg=0.75, tau_bg=0.25).item() == 0
    assert similarity_loss(norm01, similarity, tau_fg=0.7, tau_bg=0.3).item() == 0.25


@given(seed=st.integers(0, 10_000))
def test_cam_is_the_product_of_its_factors(seed):
    features, weight, _ = draw(seed, dtype=torch.float64)
    every = torch.arange(len(weight)).expand(len(features), -1)
    similarity = similarity_maps(features, weight)
    product = weight.norm(dim=1)[:, None, None] * norm_map(features)[:, None] * similarity
    torch.testing.assert_close(class_activation_maps(features, weight, every), product)
    chosen = similarity_maps(features, weight, every[:, [3, 0]])
    torch.testing.assert_close(chosen, similarity[:, [3, 0]])
    assert similarity.abs().max() <= 1 + 1e-12


def region_gradient(loss_of, seed=3):
    torch.manual_seed(seed)
    features, weight, labels = draw(seed, images=1, dtype=torch.float64)
    # every position has a direction, and each extreme is one position's
    features = (features + torch.rand(features.shape, dtype=torch.float64)).requires_grad_()
    weight.requires_grad_()
    loss_of(features, weight, labels).backward()
    return features, weight, labels


def test_similarity_loss_reaches_features_and_weight_of_its_regions_only():
    def loss_of(features, weight, labels):
        own = similarity_maps(features, weight, labels)[:, 0]
        return similarity_loss(normalized_norm_map(features), own, tau_fg=0.6, tau_bg=0.3)

    features, weight, labels = region_gradient(loss_of)
    norm01 = normalized_norm_map(features)[0]
    touched = features.grad[0].abs().sum(0) > 0
    outside = (norm01 >= 0.3) & (norm01 <= 0.6)
    assert outside.any()
    assert torch.equal(touched, ~outside)
    own = torch.zeros(len(weight), dtype=torch.bool)
    own[labels] = True
    assert torch.equal(weight.grad.abs().sum(1) > 0, own)


def test_norm_loss_reaches_the_extremes_of_the_map_and_not_the_weight():
    def loss_of(features, weight, labels):
        # two positions in the middle of the order are the foreground, the rest takes no part
        norm = norm_map(features.detach()).flatten()
        similarity = torch.zeros_like(norm)
        similarity[norm.argsort()[6:8]] = 1
        return norm_loss(normalized_norm_map(features), similarity.view(1, 1, 4, 4)) + 0 * (
            similarity_maps(features, weight, labels).sum()
        )

    features, weight, _ = region_gradient(loss_of)
    norm = norm_map(features.detach()).flatten()
    order = norm.argsort()
    # gradient with respect to the length of the vector at each position
    direction = features.detach().flatten(2)[0] / norm
    along = (features.grad.flatten(2)[0] * direction).sum(0)
    span = norm[order[-1]] - norm[order[0]]
    inside = order[6:8]
    value = ((norm[inside] - norm[order[0]]) / span).mean()
    expected = torch.zeros_like(norm)
    expected[inside] = -0.5 / span
    expected[order[0]] = (1 - value) / span
    expected[order[-1]] = value / span
    torch.testing.assert_close(along, expected)
    assert weight.grad.abs().max() == 0


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(0)
    features, weight, labels = draw(1, images=1, dtype=torch.float64)
    features = (features + torch.rand(features.shape, dtype=torch.float64)).requires_grad_()
    weight.requires_grad_()

    def losses(features, weight):
        norm01 = normalized_norm_map(features)
        own = similarity_maps(features, weight, labels)
        every = similarity_maps(features, weight)
        return similarity_loss(norm01, own[:, 0], 0.6, 0.3) + norm_loss(norm01, every)

    assert torch.autograd.gradcheck(losses, (features, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [0.0, 1.0, 60_000.0])
def test_constant_maps_give_finite_values_and_gradients(value, dtype):
    features = torch.full((2, 3, 4, 4), value, dtype=dtype, requires_grad=True)
    weight = torch.zeros(5, 3, requires_grad=True)
    weight.data[1] = 1.0
    labels = torch.tensor([[0], [1]])
    norm01 = normalized_norm_map(features)
    assert norm01.abs().max() == 0
    own = similarity_maps(features, weight, labels)
    # no foreground, and all of the map is background
    loss = similarity_loss(norm01, own[:, 0], 0.6, 0.1)
    assert loss.item() == pytest.approx(0.5 if value else 0.0, abs=1e-3)
    (loss + norm_loss(norm01, own)).backward()
    assert features.grad.isfinite().all()
    assert weight.grad.isfinite().all()


def test_empty_regions_count_nothing():
    norm01 = torch.tensor([[[0.4, 0.5]], [[0.0, 1.0]]])
    similarity = torch.tensor([[[0.9, -0.9]], [[-0.5, 0.5]]])
    # the first image has neither region, the second both
    assert similarity_loss(norm01, similarity, 0.6, 0.1).item() == pytest.approx(-1 / 2)
    assert norm_loss(norm01, torch.zeros(2, 3, 1, 2)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype):
    features, weight, labels = draw(2, channels=64)
    features = (features * 1000).to(dtype)  # squares overflow float16
    expected = normalized_norm_map(features.float()), similarity_maps(features.float(), weight)
    with torch.autocast("cpu", torch.bfloat16):
        norm01 = normalized_norm_map(features)
        similarity = similarity_maps(features, weight)
        chosen = similarity_maps(features, weight, labels)
        loss = similarity_loss(norm01, chosen[:, 0], 0.6, 0.1) + norm_loss(norm01, similarity)
    assert {norm01.dtype, similarity.dtype, chosen.dtype, loss.dtype} == {torch.float32}
    assert torch.equal(norm01, expected[0])
    assert torch.equal(similarity, expected[1])
    assert norm01.amax(dim=(1, 2)).tolist() == [1.0, 1.0]


def test_drop_mask_draws_only_above_the_threshold_and_with_its_probability():
    torch.manual_seed(0)
    features = torch.rand(2, 3, 60, 60) * torch.tensor([1.0, 50.0]).view(2, 1, 1, 1)
    attention = features.mean(1, keepdim=True)
    candidate = attention > 0.8 * attention.amax(dim=(2, 3), keepdim=True)
    mask = attentive_drop_mask(features, 0.8, 0.25)
    assert mask.shape == (2, 1, 60, 60)
    assert not (mask & ~candidate).any()
    for image in range(2):  # relative: both images drop, whatever their scale
        share = mask[image].sum() / candidate[image].sum()
        spread = (0.25 * 0.75 / candidate[image].sum()) ** 0.5
        assert abs(share - 0.25) < 4 * spread
    assert torch.equal(attentive_drop_mask(features, 0.8, 1.0), candidate)
    assert not attentive_drop_mask(features, 0.8, 0.0).any()
    assert not torch.equal(attentive_drop_mask(features, 0.8, 0.25), mask)
    absolute = attentive_drop_mask(features, 2.0, 1.0, relative=False)
    assert torch.equal(absolute, attention > 2.0)
    assert not absolute[0].any()


def test_drop_mask_of_a_dead_map_is_empty_and_carries_no_gradient():
    features = torch.zeros(1, 2, 3, 3, requires_grad=True)
    mask = attentive_drop_mask(features, 0.8, 1.0)
    assert not mask.any()
    assert not mask.requires_grad
