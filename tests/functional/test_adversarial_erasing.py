"""ACoL's erasing and merging against loops over pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.adversarial_erasing import erase_salient, merge_maps, minmax_maps


def slow_minmax(pixels):
    low, high = min(pixels), max(pixels)
    return [0.0 if high == low else (value - low) / (high - low) for value in pixels]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_minmax_equals_a_loop():
    maps = normal(2, 3, 4, 5)
    fast = minmax_maps(maps)
    for image in range(2):
        for k in range(3):
            slow = slow_minmax(maps[image, k].flatten().tolist())
            assert fast[image, k].flatten().tolist() == pytest.approx(slow, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=12),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_minmax_is_finite_and_reaches_both_ends_unless_constant(values, dtype):
    map01 = minmax_maps(torch.tensor([[values]], dtype=dtype))
    assert map01.dtype == dtype
    assert map01.min() == 0
    assert map01.max() == (len(set(values)) > 1)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e30])
def test_a_constant_map_is_zero_with_finite_gradient_and_erases_nothing(value):
    maps = torch.full((1, 1, 2, 3), value, requires_grad=True)
    map01 = minmax_maps(maps)
    assert map01.abs().max() == 0
    map01.sum().backward()
    assert maps.grad.isfinite().all()
    features = normal(1, 2, 2, 3)
    assert torch.equal(erase_salient(features, map01, 1e-6), features)


@pytest.mark.parametrize("threshold", [0.25, 0.6, 1.0])
def test_erasing_equals_a_loop(threshold):
    features = normal(2, 3, 4, 5)
    map01 = minmax_maps(normal(2, 1, 4, 5, seed=1))
    erased = erase_salient(features, map01, threshold)
    gone = 0
    for image in range(2):
        for y in range(4):
            for x in range(5):
                hit = map01[image, 0, y, x].item() >= threshold
                gone += hit
                expected = torch.zeros(3) if hit else features[image, :, y, x]
                assert torch.equal(erased[image, :, y, x], expected)
    assert 2 <= gone < 40


def test_a_value_at_the_threshold_is_erased():
    erased = erase_salient(torch.ones(1, 1, 1, 3), torch.tensor([[[[0.0, 0.5, 1.0]]]]), 0.5)
    assert erased.flatten().tolist() == [1, 0, 0]


def test_gradients_reach_the_features_left_and_never_the_map():
    features = normal(2, 3, 4, 5).requires_grad_()
    maps = normal(2, 1, 4, 5, seed=1).requires_grad_()
    map01 = minmax_maps(maps)
    erase_salient(features, map01, 0.5).sum().backward()
    assert maps.grad is None
    assert torch.equal(features.grad, (map01 < 0.5).float().expand(2, 3, 4, 5))


def test_merging_equals_a_loop():
    first, second = normal(2, 3, 4, 5), 100 * normal(2, 3, 4, 5, seed=1) - 7
    merged = merge_maps(first, second)
    for image in range(2):
        for k in range(3):
            a = slow_minmax(first[image, k].flatten().tolist())
            b = slow_minmax(second[image, k].flatten().tolist())
            slow = [max(pair) for pair in zip(a, b, strict=True)]
            assert merged[image, k].flatten().tolist() == pytest.approx(slow, abs=1e-6)


def test_a_constant_second_map_leaves_the_first():
    first = normal(1, 1, 4, 5)
    assert torch.equal(merge_maps(first, torch.full_like(first, 3.0)), minmax_maps(first))


@pytest.mark.parametrize(
    ("features", "map01"),
    [((2, 3, 4), (2, 1, 4)), ((2, 3, 4, 5), (2, 4, 5)), ((2, 3, 4, 5), (1, 1, 4, 5))],
)
def test_shapes_that_do_not_fit_are_refused(features, map01):
    with pytest.raises(ValueError, match=r"expected features \(B, C, h, w\)"):
        erase_salient(torch.zeros(features), torch.zeros(map01), 0.5)
