"""Depthwise convolution gives what PyTorch's gives, and the same gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional import depthwise_conv2d


def gradients(convolve, x, weight, bias, pull):
    """Output and gradients of all that takes part."""
    inputs = [each.clone().requires_grad_() for each in (x, weight, bias) if each is not None]
    out = convolve(*inputs, *[None][: bias is None])
    return [out.detach(), *torch.autograd.grad(out, inputs, pull)]


@settings(deadline=None, max_examples=80)
@given(
    height=st.integers(5, 20),
    width=st.integers(5, 20),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 2),
    padding=st.integers(0, 8),
    dilation=st.integers(1, 4),
    with_bias=st.booleans(),
    last=st.booleans(),
)
def test_it_is_conv2d(height, width, kernel, stride, padding, dilation, with_bias, last):
    padding = max(padding, (dilation * (kernel - 1) + 2 - min(height, width)) // 2, 0)
    generator = torch.Generator().manual_seed(height * 100 + width * 10 + kernel)
    layout = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    x = x.contiguous(memory_format=layout)
    weight = torch.randn(3, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    bias = torch.randn(3, generator=generator, dtype=torch.float64) if with_bias else None
    steps = stride, padding, dilation
    shape = F.conv2d(x, weight, None, *steps, 3).shape
    pull = torch.randn(shape, generator=generator, dtype=torch.float64)
    ours = gradients(lambda x, w, b: depthwise_conv2d(x, w, b, *steps), x, weight, bias, pull)
    theirs = gradients(lambda x, w, b: F.conv2d(x, w, b, *steps, 3), x, weight, bias, pull)
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected)


def test_a_frozen_filter_and_half_precision_have_pytorchs_gradients():
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    weight = torch.randn(2, 1, 3, 3)
    (found,) = torch.autograd.grad(depthwise_conv2d(x, weight, padding=1).sum(), x)
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, padding=1, groups=2).sum(), x)
    torch.testing.assert_close(found, expected)
    half = weight.bfloat16().requires_grad_()
    depthwise_conv2d(x.bfloat16(), half, padding=1).sum().backward()
    assert half.grad.dtype == torch.bfloat16


def test_threads_share_the_channels():
    x, weight = torch.randn(2, 200, 6, 6), torch.randn(200, 1, 5, 5, requires_grad=True)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out = depthwise_conv2d(x, weight, padding=2)
            found.append(torch.autograd.grad(out.square().sum(), weight)[0])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found[0], found[1])


def test_a_filter_for_all_channels_is_refused():
    with pytest.raises(RuntimeError):
        depthwise_conv2d(torch.zeros(1, 2, 3, 3), torch.zeros(2, 2, 3, 3), None, 2)
