"""Batch norm and activation in one give what PyTorch's two layers give, and the same gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional import batch_norm_clamp

BOUNDS = {"none": (-torch.inf, torch.inf), "relu": (0.0, torch.inf), "relu6": (0.0, 6.0)}


def values(images, channels, height, width, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, channels, height, width, generator=generator, dtype=dtype)
    weight, bias = torch.randn(2, channels, generator=generator, dtype=dtype) * 3
    return x * 2 + 5, weight, bias, torch.randn(x.shape, generator=generator, dtype=dtype)


def reference(x, weight, bias, low, high, running=None):
    mean, variance = running or (None, None)
    out = F.batch_norm(x, mean, variance, weight, bias, training=running is None, eps=1e-3)
    return out.clamp(low, high)


def gradients(apply, x, weight, bias, pull):
    inputs = [each.clone().requires_grad_() for each in (x, weight, bias)]
    out = apply(*inputs)
    return [out.detach(), *torch.autograd.grad(out, inputs, pull)]


@settings(deadline=None, max_examples=40)
@given(
    images=st.integers(1, 3),
    channels=st.integers(1, 5),
    side=st.integers(1, 9),
    bounds=st.sampled_from(sorted(BOUNDS)),
    last=st.booleans(),
    running=st.booleans(),
    seed=st.integers(0, 5),
)
def test_it_is_batch_norm_and_clamp(images, channels, side, bounds, last, running, seed):
    low, high = BOUNDS[bounds]
    x, weight, bias, pull = values(images + 1, channels, side, side, seed)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    given_ones = (weight + 1, bias**2) if running else None
    ours = gradients(
        lambda *inputs: batch_norm_clamp(*inputs, 1e-3, low, high, given_ones)[0],
        *(x, weight, bias, pull),
    )
    theirs = gradients(
        lambda *inputs: reference(*inputs, low, high, given_ones), x, weight, bias, pull
    )
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected)
    _, mean, variance = batch_norm_clamp(x, weight, bias, 1e-3)
    torch.testing.assert_close(mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(variance, x.var((0, 2, 3), unbiased=False))


def test_single_precision_is_about_as_exact_as_pytorchs():
    x, weight, bias, _ = values(8, 4, 64, 64, 0)
    x = x + 100
    exact = reference(x, weight, bias, 0, 6)
    single = x.float(), weight.float(), bias.float()
    ours = (batch_norm_clamp(*single, 1e-3, 0, 6)[0].double() - exact).abs().max()
    theirs = (reference(*single, 0, 6).double() - exact).abs().max()
    assert ours <= 2 * theirs


def test_threads_share_the_rows():
    x, weight, bias, pull = values(8, 4, 16, 16, 1)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(
                gradients(
                    lambda *inputs: batch_norm_clamp(*inputs, 1e-3, 0, 6)[0], x, weight, bias, pull
                )
            )
    finally:
        torch.set_num_threads(before)
    for one, three in zip(*found, strict=True):
        torch.testing.assert_close(one, three)


def test_statistics_that_move_before_the_backward_pass_do_not_matter():
    x, weight, bias, pull = values(2, 3, 4, 4, 3)
    running = (weight + 1, bias**2)

    def apply(*inputs, move):
        statistics = tuple(each.clone() for each in running)
        out = batch_norm_clamp(*inputs, 1e-3, 0, 6, statistics)[0]
        for each in statistics:
            each.add_(move)
        return out

    still, moved = (
        gradients(lambda *inputs, by=by: apply(*inputs, move=by), x, weight, bias, pull)
        for by in (0.0, 5.0)
    )
    torch.testing.assert_close(moved, still, rtol=0, atol=0)


def test_nan_stays_nan():
    x, weight, bias, pull = values(2, 3, 4, 4, 2)
    x[0, 1, 0, 0] = torch.nan
    out, of_x, of_weight, _ = gradients(
        lambda *inputs: batch_norm_clamp(*inputs, 1e-3, 0, 6)[0], x, weight, bias, pull
    )
    assert out[:, 1].isnan().all()
    assert of_x[:, 1].isnan().all()
    assert of_weight[1].isnan()
    assert not out[:, 0].isnan().any()


def test_one_value_per_channel_has_no_variance_of_its_own():
    x, one, zero = torch.full((1, 3, 1, 1), 5.0), torch.ones(3), torch.zeros(3)
    with pytest.raises(ValueError, match="more than one value per channel"):
        batch_norm_clamp(x, one, zero, 1e-5)
    assert (batch_norm_clamp(x, one, zero, 0.0, statistics=(one, 4 * one))[0] == 2).all()
