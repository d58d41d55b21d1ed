"""Depthwise convolution with holes, as one without holes on interleaved grids: fast on a CPU.

A stride left out for larger maps leaves a network's last stages with dilated depthwise layers, and
PyTorch's CPU kernel has no fast backward pass for these: ``benchmarks/layout.py`` has what the
grids save.
"""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["dilated_depthwise_conv2d"]


def dilated_depthwise_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int
) -> Tensor:
    """What ``conv2d`` gives with stride 1, that dilation, zeros around and a filter per channel.

    Positions whose row and column leave the same remainder after division by the dilation see
    one another only: ``dilation`` squared images, each convolved without holes.

    Args:
        x: (B, C, h, w), floating; any memory format, channels last is fast.
        weight: (C, 1, k, k), k odd.
        bias: (C,) or None.
        dilation: At least 1.

    Returns:
        (B, C, h, w), differentiable.

    Example:
        >>> import torch
        >>> line = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> sum_of_next_but_one = torch.tensor([[[[0.0, 0, 0], [1, 0, 1], [0, 0, 0]]]])
        >>> dilated_depthwise_conv2d(line, sum_of_next_but_one, None, dilation=2)
        tensor([[[[3., 4., 1., 2.]]]])
    """
    batch, channels, height, width = x.shape
    d, rows, columns = dilation, -(-height // dilation), -(-width // dilation)
    x = F.pad(x, (0, columns * d - width, 0, rows * d - height))
    grids = x.permute(0, 2, 3, 1).reshape(batch, rows, d, columns, d, channels)
    grids = grids.permute(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, channels)
    out = F.conv2d(
        grids.permute(0, 3, 1, 2), weight, bias, padding=weight.shape[-1] // 2, groups=channels
    )
    out = out.permute(0, 2, 3, 1).reshape(batch, d, d, rows, columns, channels)
    out = out.permute(0, 3, 1, 4, 2, 5).reshape(batch, rows * d, columns * d, channels)
    return out[:, :height, :width].permute(0, 3, 1, 2)
