"""Interleaved grids give what PyTorch's dilated convolution gives, and the same gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional import dilated_depthwise_conv2d


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    kernel=st.sampled_from([1, 3, 5]),
    dilation=st.integers(1, 4),
    with_bias=st.booleans(),
    last=st.booleans(),
)
def test_it_is_conv2d(height, width, kernel, dilation, with_bias, last):
    generator = torch.Generator().manual_seed(height * 100 + width * 10 + kernel)
    layout = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    x = x.contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(3, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    weight.requires_grad_()
    bias = torch.randn(3, generator=generator, dtype=torch.float64) if with_bias else None
    expected = F.conv2d(
        x, weight, bias, padding=dilation * (kernel // 2), dilation=dilation, groups=3
    )
    found = dilated_depthwise_conv2d(x, weight, bias, dilation)
    torch.testing.assert_close(found, expected)
    pull = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, weight), pull),
        torch.autograd.grad(expected, (x, weight), pull),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_a_filter_for_all_channels_is_refused():
    with pytest.raises(RuntimeError):
        dilated_depthwise_conv2d(torch.zeros(1, 2, 3, 3), torch.zeros(2, 2, 3, 3), None, 2)
