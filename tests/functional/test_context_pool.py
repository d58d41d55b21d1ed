"""The pool's invariants, and its enhancement as a 1x1 convolution of a one-hot map."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.context_pool import (
    centre_prior,
    enhance,
    resize_maps,
    standardize_maps,
    sum_by_class,
    update_pool,
)


@st.composite
def steps(draw):
    """Shapes, a rate and the classes that are hit at each step."""
    classes = draw(st.integers(2, 5))
    hits = st.lists(st.integers(0, classes - 1), max_size=4)
    return (
        classes,
        draw(st.integers(2, 6)),
        draw(st.integers(2, 6)),
        draw(st.sampled_from([0.001, 0.01, 0.5])),
        draw(st.lists(hits, min_size=1, max_size=6)),
        draw(st.integers(0, 2**31)),
    )


@given(steps())
@settings(deadline=None, max_examples=60)
def test_pool_invariants(case):
    classes, height, width, rate, batches, seed = case
    generator = torch.Generator().manual_seed(seed)
    pool, hit = torch.zeros(classes, height, width), {}
    for labels in batches:
        maps = 3 * torch.randn(len(labels), height, width, generator=generator) + 5
        sums = sum_by_class(maps, torch.tensor(labels, dtype=torch.int64), classes)
        new = update_pool(pool, sums, rate)
        for label in range(classes):
            hit[label] = hit.get(label, 0) + (label in labels)
            if not hit[label]:
                assert torch.equal(new[label], torch.zeros(height, width))
            elif label not in labels:
                # only its scale moves, towards the fixed point of the variance
                cosine = F.cosine_similarity(new[label].flatten(), pool[label].flatten(), dim=0)
                assert cosine > 1 - 1e-5
            assert new[label].mean().abs() < 1e-4
            if hit[label] > 1 and rate > 0.005:
                assert new[label].var(correction=0).item() == pytest.approx(1, abs=1e-2)
        pool = new
    assert pool.isfinite().all()


def test_the_fixed_point_of_a_class_without_hits():
    pool = standardize_maps(torch.randn(1, 14, 14, dtype=torch.float64))
    for _ in range(50):
        pool = update_pool(pool, torch.zeros_like(pool), 0.01)
    assert pool.var(correction=0).item() == pytest.approx(1 - 1e-5, abs=1e-12)


def test_the_first_hit_fills_the_class_and_a_small_rate_needs_one_step_more():
    first = torch.randn(1, 14, 14)
    pool = update_pool(torch.zeros(1, 14, 14), first, 0.01)
    torch.testing.assert_close(pool, 0.9535 * standardize_maps(first), rtol=1e-3, atol=1e-3)
    slow = update_pool(torch.zeros(1, 14, 14), first, 0.001)
    assert slow.std() < 0.5
    assert update_pool(slow, torch.zeros_like(slow), 0.001).std().item() == pytest.approx(
        1, abs=0.1
    )


def test_the_sum_of_a_class_enters_not_the_mean():
    # eps makes the difference visible for small maps
    one = 1e-4 * torch.randn(1, 5, 5)
    label = torch.zeros(1, dtype=torch.int64)
    twice = sum_by_class(torch.cat([one, one]), torch.cat([label, label]), 1)
    torch.testing.assert_close(twice, 2 * one)
    assert standardize_maps(twice).std() > 1.9 * standardize_maps(one).std()


def test_standardisation_is_that_of_batch_norm_on_a_batch_of_one():
    maps = torch.randn(4, 6, 5) * 7 + 2
    norm = torch.nn.BatchNorm2d(4).train()
    torch.testing.assert_close(standardize_maps(maps), norm(maps[None])[0].detach())


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_constant_maps_stay_flat(value):
    pool = update_pool(torch.zeros(1, 7, 7), torch.full((1, 7, 7), value), 0.01)
    assert pool.abs().max() < 1e-3
    assert value or pool.abs().max() == 0


def test_enhancement_is_the_one_by_one_convolution_of_a_one_hot_map():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(5, 6, 1)
    features, pool = torch.randn(3, 6, 4, 4), torch.randn(5, 4, 4)
    predicted = torch.tensor([4, 0, 4])
    one_hot = torch.zeros(3, 5, 4, 4)
    for i, label in enumerate(predicted):
        one_hot[i, label] = pool[label]
    expected = features + features * convolution(one_hot)
    columns = convolution.weight.flatten(1).t()
    ours = enhance(
        features, pool[predicted][:, None], columns[predicted][:, None], convolution.bias
    )
    torch.testing.assert_close(ours, expected)
    (left,) = torch.autograd.grad(ours.square().sum(), convolution.weight, retain_graph=True)
    (right,) = torch.autograd.grad(expected.square().sum(), convolution.weight)
    torch.testing.assert_close(left, right)
    assert (left[:, 1:4] == 0).all()


def test_the_mean_over_all_contexts_is_the_convolution_of_the_whole_pool():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(5, 6, 1)
    features, pool = torch.randn(3, 6, 4, 4), torch.randn(5, 4, 4)
    columns = convolution.weight.flatten(1).t()
    ours = enhance(features, pool[None], columns[None] / 5, convolution.bias)
    torch.testing.assert_close(ours, features * (1 + convolution(pool[None] / 5)))


def test_a_class_never_seen_leaves_the_bias():
    features, bias = torch.randn(2, 3, 4, 4), torch.tensor([0.5, -1.0, 0.0])
    ours = enhance(features, torch.zeros(2, 1, 4, 4), torch.randn(2, 1, 3), bias)
    torch.testing.assert_close(ours, features * torch.tensor([1.5, 0.0, 1.0])[:, None, None])


def test_resizing_is_bilinear_and_leaves_the_right_size_alone():
    maps = torch.randn(3, 4, 4)
    assert resize_maps(maps, (4, 4)) is maps
    up = resize_maps(maps, (8, 6))
    assert up.shape == (3, 8, 6)
    torch.testing.assert_close(up, F.interpolate(maps[:, None], size=(8, 6), mode="bilinear")[:, 0])


def test_centre_prior_is_a_symmetric_standardised_bump():
    bump = centre_prior((14, 17))
    assert bump.shape == (14, 17)
    assert bump.mean().item() == pytest.approx(0, abs=1e-6)
    assert bump.var(correction=0).item() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(bump, bump.flip(0, 1))
    assert (bump[7, 1:9] > bump[7, :8]).all()
