"""SPG's masks and loss against loops over pixels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.self_produced_guidance import IGNORED, guidance_loss, guidance_mask


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def slow_mask(pixels, high, low, minimum):
    foreground = [value > high for value in pixels]
    if sum(foreground) < minimum:
        foreground = [value > 0.7 * max(pixels) for value in pixels]
    return [
        1 if hit else 0 if value < low else 255
        for hit, value in zip(foreground, pixels, strict=True)
    ]


def slow_loss(logits, mask):
    total, count = 0.0, 0
    for logit, state in zip(logits, mask, strict=True):
        if state == 255:
            continue
        p = 1 / (1 + math.exp(-logit))
        total -= math.log(p if state == 1 else 1 - p)
        count += 1
    return total / max(count, 1)


@pytest.mark.parametrize("minimum", [0, 5, 30, 1000])
def test_mask_equals_a_loop_image_by_image(minimum):
    # of 8 x 9 pixels, few of the first image are above the threshold and many of the second
    scores = torch.stack([uniform(1, 8, 9) * 0.72, uniform(1, 8, 9, seed=1)]).double()
    mask = guidance_mask(scores, high=0.5, low=0.2, min_foreground=minimum)
    assert mask.dtype == torch.uint8
    assert mask.shape == scores.shape
    for image in range(2):
        slow = slow_mask(scores[image].flatten().tolist(), 0.5, 0.2, minimum)
        assert mask[image].flatten().tolist() == slow
        assert set(slow) == {0, 1, 255}


def test_thirty_pixels_are_enough_and_twenty_nine_are_not():
    scores = torch.full((2, 8, 8), 0.75)
    scores.view(2, -1)[0, :30] = 1.0
    scores.view(2, -1)[1, :29] = 1.0
    enough, few = guidance_mask(scores, high=0.9, low=0.1)
    assert (enough == 1).sum() == 30
    assert (enough == IGNORED).sum() == 34
    assert (few == 1).all()  # 0.75 > 0.7


def test_both_thresholds_are_strict():
    scores = torch.tensor([[0.2, 0.1, 0.8, 0.9]])
    assert guidance_mask(scores, 0.8, 0.2, min_foreground=0).tolist() == [[255, 0, 255, 1]]


def test_foreground_wins_where_the_relative_threshold_lies_below_the_background():
    scores = torch.tensor([[0.10, 0.08, 0.01]])
    assert guidance_mask(scores, high=0.9, low=0.5).tolist() == [[1, 1, 0]]


def test_a_map_of_zeros_is_background():
    assert (guidance_mask(torch.zeros(1, 4, 4), 0.7, 0.01) == 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_loss_equals_a_loop(seed):
    mask = torch.tensor([0, 1, 255], dtype=torch.uint8)[(uniform(2, 1, 5, 6, seed=seed) * 3).long()]
    logits = 4 * uniform(2, 1, 5, 6, seed=seed + 10) - 2
    slow = slow_loss(logits.flatten().tolist(), mask.flatten().tolist())
    assert guidance_loss(logits, mask).item() == pytest.approx(slow, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-90, 90), st.sampled_from([0, 1, 255])), min_size=1))
def test_loss_and_gradient_are_finite_and_pull_towards_the_mask(pixels):
    logits = torch.tensor([value for value, _ in pixels], requires_grad=True)
    mask = torch.tensor([state for _, state in pixels], dtype=torch.uint8)
    loss = guidance_loss(logits, mask)
    loss.backward()
    assert 0 <= loss.item() < math.inf
    assert (logits.grad[mask == 1] <= 0).all()
    assert (logits.grad[mask == 0] >= 0).all()
    assert (logits.grad[mask == 255] == 0).all()


def test_nothing_decided_is_zero_and_differentiable():
    logits = torch.tensor([3.0, -2.0], requires_grad=True)
    loss = guidance_loss(logits, torch.full((2,), IGNORED, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.tolist() == [0, 0]


def test_no_gradient_passes_the_mask():
    scores = uniform(1, 4, 5).requires_grad_()
    assert not guidance_mask(scores, 0.6, 0.3).requires_grad


def test_half_precision_is_computed_in_float32():
    mask = torch.tensor([1, 0], dtype=torch.uint8)
    loss = guidance_loss(torch.tensor([0.5, 0.25], dtype=torch.bfloat16), mask)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_loss([0.5, 0.25], [1, 0]), rel=1e-6)
