"""Batch normalisation with its activation, for training on a CPU: half the passes over memory.

Where a ReLU follows, PyTorch reads and writes a layer's features about twice as often, and keeps
two copies of them for the backward pass, not one. ``benchmarks/layout.py`` has what a network
gains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm.functional.threads import in_parts

__all__ = ["batch_norm_clamp"]

Floats = NDArray[np.floating]
ROWS = 16  # summed in the features' own precision before double precision takes over
LEAST = 256  # rows of a thread


def batch_norm_clamp(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    low: float = -np.inf,
    high: float = np.inf,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise each channel by mean and variance, scale, shift, clamp.

    Bounds of 0 and 6 are a ReLU6 behind the norm, 0 and infinity a ReLU. Sums run in double
    precision over blocks of rows. NaN stays NaN.

    Args:
        x: (B, C, h, w), float32 or float64, on the CPU; channels last is fast.
        weight: (C,).
        bias: (C,).
        eps: Added to the variance.
        low: Least value of the result.
        high: Greatest value of the result.
        statistics: Mean (C,) and variance (C,), running ones say; None takes the batch's, through
            which the gradient then passes.

    Returns:
        (B, C, h, w) channels last, once differentiable; mean (C,) and (biased) variance (C,) that
        it was normalised by, without gradient.

    Raises:
        ValueError: A channel has fewer than two values, and no statistics are given.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
        >>> out, mean, variance = batch_norm_clamp(x, torch.ones(1), torch.zeros(1), 0.0, low=0.0)
        >>> out.flatten(), mean, variance
        (tensor([0., 1.]), tensor([2.]), tensor([1.]))
    """
    if statistics is None and x.numel() <= x.shape[1]:
        raise ValueError(f"batch norm needs more than one value per channel, got {tuple(x.shape)}")
    out: tuple[Tensor, Tensor, Tensor] = _BatchNormClamp.apply(  # type: ignore[no-untyped-call]
        x, weight, bias, eps, low, high, statistics
    )
    return out


def _rows(x: Tensor) -> Floats:
    """(B, C, h, w) as (B * h * w, C), without a copy where it is stored channels last."""
    x = x.detach().contiguous(memory_format=torch.channels_last)
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()


class _BatchNormClamp(torch.autograd.Function):
    """Arguments and results of :func:`batch_norm_clamp`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        low: float,
        high: float,
        statistics: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(x)
        if statistics is None:
            mean, variance = _moments(rows)
        else:
            # copies: the next batch may move running statistics before the backward pass
            mean, variance = (np.array(each.detach(), np.float64) for each in statistics)
        inverse = 1 / np.sqrt(variance + eps)
        scale = (weight.detach().double().numpy() * inverse).astype(rows.dtype)
        shift = (bias.detach().double().numpy() - mean * scale).astype(rows.dtype)
        bounds = rows.dtype.type(low), rows.dtype.type(high)
        out = torch.empty_like(x, memory_format=torch.channels_last)
        filled = _rows(out)
        in_parts(
            len(rows),
            LEAST,
            lambda a, b: fill_scaled(rows[a:b], scale, shift, *bounds, filled[a:b]),
        )
        found = [torch.from_numpy(each).to(x.dtype) for each in (mean, variance)]
        ctx.save_for_backward(x)
        ctx.of_channels = mean, inverse, scale, shift, bounds
        ctx.of_batch = statistics is None
        ctx.mark_non_differentiable(*found)
        return out, found[0], found[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, pull: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        mean, inverse, scale, shift, bounds = ctx.of_channels
        rows, pulls = _rows(x), _rows(pull)
        sums = _pulled(rows, pulls, scale, shift, mean.astype(rows.dtype), bounds)
        total, along = sums[0], sums[1] * inverse  # the gradients of bias and of weight
        of_x = None
        if ctx.needs_input_grad[0]:
            share = ctx.of_batch / len(rows)  # of a row in the batch's statistics
            slope = -scale * along * inverse * share
            offset = (-scale * total * share - slope * mean).astype(rows.dtype)
            slope = slope.astype(rows.dtype)
            of_x = torch.empty_like(x, memory_format=torch.channels_last)
            filled = _rows(of_x)
            in_parts(
                len(rows),
                LEAST,
                lambda a, b: fill_gradient(
                    *(rows[a:b], pulls[a:b], scale, shift, *bounds, slope, offset, filled[a:b])
                ),
            )
        of_weight, of_bias = (torch.from_numpy(each).to(x.dtype) for each in (along, total))
        return of_x, of_weight, of_bias, None, None, None, None


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and biased variance of each column, (C,) in double precision."""
    parts: dict[int, Floats] = {}

    def work(first: int, last: int) -> None:
        parts[first] = sum_powers(rows[first:last], rows[0])

    in_parts(len(rows), LEAST, work)
    apart, square = _sum_in_order(parts) / len(rows)
    return rows[0] + apart, np.maximum(square - apart**2, 0)


def _pulled(
    rows: Floats, pulls: Floats, scale: Floats, shift: Floats, mean: Floats, bounds: tuple[Any, Any]
) -> Floats:
    """Sums over rows of the gradient inside the bounds, and of it times ``x - mean``: (2, C)."""
    parts: dict[int, Floats] = {}

    def work(first: int, last: int) -> None:
        these = slice(first, last)
        parts[first] = sum_pulls(rows[these], pulls[these], scale, shift, mean, *bounds)

    in_parts(len(rows), LEAST, work)
    return _sum_in_order(parts)


def _sum_in_order(parts: dict[int, Floats]) -> Floats:
    """The same bits whichever thread was first."""
    total: Floats = np.sum([parts[first] for first in sorted(parts)], axis=0)
    return total


# Not all of fastmath: NaN and infinity keep their meaning.
_COMPILE: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": {"contract", "nsz"}}


@njit(**_COMPILE)
def sum_powers(rows: Floats, centre: Floats) -> Floats:
    """Sums over (M, C) rows of ``x - centre`` and of its square: (2, C) in double precision."""
    count, channels = rows.shape
    sums = np.zeros((2, channels), np.float64)
    first, second = np.empty(channels, rows.dtype), np.empty(channels, rows.dtype)
    for begin in range(0, count, ROWS):
        first[:] = 0
        second[:] = 0
        for m in range(begin, min(begin + ROWS, count)):
            row = rows[m]
            for c in range(channels):
                apart = row[c] - centre[c]
                first[c] += apart
                second[c] += apart * apart
        for c in range(channels):
            sums[0, c] += first[c]
            sums[1, c] += second[c]
    return sums


@njit(**_COMPILE)
def fill_scaled(
    rows: Floats, scale: Floats, shift: Floats, low: float, high: float, out: Floats
) -> None:
    """``clamp(x * scale + shift)`` of (M, C) rows; NaN passes."""
    for m in range(rows.shape[0]):
        row, filled = rows[m], out[m]
        for c in range(rows.shape[1]):
            value = row[c] * scale[c] + shift[c]
            value = low if value < low else value
            filled[c] = high if value > high else value


@njit(**_COMPILE)
def sum_pulls(
    rows: Floats,
    pulls: Floats,
    scale: Floats,
    shift: Floats,
    mean: Floats,
    low: float,
    high: float,
) -> Floats:
    """Of the gradient where the result was not clamped, as :func:`_pulled` returns it."""
    count, channels = rows.shape
    sums = np.zeros((2, channels), np.float64)
    first, second = np.empty(channels, rows.dtype), np.empty(channels, rows.dtype)
    zero = rows.dtype.type(0)
    for begin in range(0, count, ROWS):
        first[:] = 0
        second[:] = 0
        for m in range(begin, min(begin + ROWS, count)):
            row, pull = rows[m], pulls[m]
            for c in range(channels):
                value = row[c] * scale[c] + shift[c]
                inside = zero if value <= low or value >= high else pull[c]
                first[c] += inside
                second[c] += inside * (row[c] - mean[c])
        for c in range(channels):
            sums[0, c] += first[c]
            sums[1, c] += second[c]
    return sums


@njit(**_COMPILE)
def fill_gradient(
    rows: Floats,
    pulls: Floats,
    scale: Floats,
    shift: Floats,
    low: float,
    high: float,
    slope: Floats,
    offset: Floats,
    out: Floats,
) -> None:
    """``scale * gradient inside the bounds + slope * x + offset`` of (M, C) rows."""
    zero = rows.dtype.type(0)
    for m in range(rows.shape[0]):
        row, pull, filled = rows[m], pulls[m], out[m]
        for c in range(rows.shape[1]):
            value = row[c] * scale[c] + shift[c]
            inside = zero if value <= low or value >= high else pull[c]
            filled[c] = scale[c] * inside + slope[c] * row[c] + offset[c]
