"""Depthwise convolution on a CPU with gradients as fast as its forward pass.

PyTorch's CPU kernels are fast for 3x3 filters without holes and slow elsewhere: the gradient of
larger or dilated filters takes many times the forward pass, and so does the forward pass itself
with a padding of seven and more, which a stride left out for larger maps makes.
``benchmarks/layout.py`` has what a network gains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm.functional.threads import in_parts

__all__ = ["depthwise_conv2d"]

WIDEST = 6  # padding; beyond it PyTorch leaves its vectorized kernel
BLOCK = 256  # channels whose rows stay in a core's first cache


def depthwise_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """What ``conv2d`` gives with a filter per channel, with gradients that are fast on a CPU.

    Gradients are PyTorch's own for other types than single and double precision, under autocast
    and where a network is being compiled.

    Args:
        x: (B, C, h, w), floating, on the CPU; channels last is fast.
        weight: (C, 1, k, k).
        bias: (C,) or None.
        stride: At least 1.
        padding: Zeros around.
        dilation: At least 1.

    Returns:
        (B, C, h', w'), once differentiable.

    Raises:
        RuntimeError: ``weight`` has another shape.

    Example:
        >>> import torch
        >>> line = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> sum_of_next_but_one = torch.tensor([[[[0.0, 0, 0], [1, 0, 1], [0, 0, 0]]]])
        >>> depthwise_conv2d(line, sum_of_next_but_one, padding=2, dilation=2)
        tensor([[[[3., 4., 1., 2.]]]])
    """
    plain = torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    if plain or x.dtype not in (torch.float32, torch.float64) or not torch.is_grad_enabled():
        return _convolve(x, weight, bias, stride, padding, dilation)
    steps = stride, padding, dilation
    out: Tensor = _Depthwise.apply(x, weight, bias, *steps)  # type: ignore[no-untyped-call]
    return out


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int
) -> Tensor:
    wider = max(padding - WIDEST, 0)
    if wider:
        x = F.pad(x, (wider,) * 4)
    return F.conv2d(x, weight, bias, stride, padding - wider, dilation, weight.shape[0])


class _Depthwise(torch.autograd.Function):
    """The convolution with its own gradients; arguments as :func:`depthwise_conv2d`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        dilation: int,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding, dilation
        return _convolve(x, weight, bias, stride, padding, dilation)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        pull = pull.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            _gradient_of_x(x, weight, pull, *ctx.steps) if of_x else None,
            _gradient_of_weight(x, weight, pull, *ctx.steps) if of_weight else None,
            pull.sum((0, 2, 3)) if of_bias else None,
            *(None, None, None),
        )


def _gradient_of_x(
    x: Tensor, weight: Tensor, pull: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    """Without a stride it is a convolution with the filter turned by 180 degrees."""
    around = dilation * (weight.shape[-1] - 1) - padding
    if stride == 1 and around >= 0:
        return _convolve(pull, weight.flip((2, 3)), None, 1, around, dilation)
    gradient: Tensor = torch.ops.aten.convolution_backward(
        *(pull, x, weight, None, (stride,) * 2, (padding,) * 2, (dilation,) * 2),
        *(False, (0, 0), weight.shape[0], (True, False, False)),
    )[0]
    return gradient


def _gradient_of_weight(
    x: Tensor, weight: Tensor, pull: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    channels, _, side, _ = weight.shape
    x = x.detach().contiguous(memory_format=torch.channels_last)
    found = torch.zeros(side, side, channels, dtype=x.dtype)
    images, pulls, out = (
        each.numpy() for each in (x.permute(0, 2, 3, 1), pull.permute(0, 2, 3, 1), found)
    )
    in_parts(
        channels,
        64,
        lambda first, last: fill_weight_gradient(
            images, pulls, stride, padding, dilation, first, last, out
        ),
    )
    return found.permute(2, 0, 1)[:, None].contiguous()


# Not all of fastmath: NaN and infinity keep their meaning.
@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def fill_weight_gradient(
    x: NDArray[np.floating],
    pull: NDArray[np.floating],
    stride: int,
    padding: int,
    dilation: int,
    first: int,
    last: int,
    out: NDArray[np.floating],
) -> None:
    """Sums over images and positions, for channels from ``first`` to before ``last``.

    Args:
        x: (B, h, w, C), what was convolved.
        pull: (B, h', w', C), gradient of the result.
        stride: Of the convolution.
        padding: Of the convolution.
        dilation: Of the convolution.
        first: The first channel.
        last: Behind the last channel.
        out: (k, k, C), added to.
    """
    images, height, width, _ = x.shape
    rows, columns = pull.shape[1], pull.shape[2]
    for begin in range(first, last, BLOCK):
        end = min(begin + BLOCK, last)
        for image in range(images):
            for i in range(out.shape[0]):
                for j in range(out.shape[1]):
                    tap = out[i, j, begin:end]
                    for row in range(rows):
                        y = row * stride + i * dilation - padding
                        if y < 0 or y >= height:
                            continue
                        for column in range(columns):
                            z = column * stride + j * dilation - padding
                            if z < 0 or z >= width:
                                continue
                            seen = x[image, y, z, begin:end]
                            pulled = pull[image, row, column, begin:end]
                            for c in range(end - begin):
                                tap[c] += seen[c] * pulled[c]
