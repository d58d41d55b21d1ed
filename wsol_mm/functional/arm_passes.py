"""Compiled loops of affinity refinement: one thread, along rows, so that they fill vector units.

Neighbours are read from an array with a border, as wide as the farthest neighbour is away, that
repeats the nearest pixel; weights lie as (row, neighbour, column).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

EPS = 1e-8  # beside standard deviations


@njit(cache=True)
def fill_affinity(
    padded: Floats,
    offsets: NDArray[np.int64],
    reach: int,
    scale: np.float32,
    joint: bool,
    near: Floats,
    out: Floats,
) -> None:
    """Weights of all neighbours (``wsol_mm.functional.arm.affinity``).

    Args:
        padded: (3, H + 2 reach, W + 2 reach) colours.
        offsets: (N, 2) steps to the neighbours.
        reach: Width of the border.
        scale: Scale of the colour kernel.
        joint: One deviation for all channels together, instead of one for each.
        near: (N,) the position kernel's part; the colours share what it leaves of 1.
        out: (H, N, W), filled.
    """
    height, count, width = out.shape
    channels = padded.shape[0]
    parts = np.float32(1 if joint else channels)
    mean, spread = np.empty(width, np.float32), np.empty(width, np.float32)
    variance = np.empty(width, np.float32)
    for y in range(height):
        row = out[y]
        row[:] = 0
        variance[:] = 0
        for c in range(channels):
            centre = padded[c, y + reach, reach : reach + width]
            mean[:] = 0
            spread[:] = 0
            for n in range(count):
                dy, dx = offsets[n, 0] + reach, offsets[n, 1] + reach
                other = padded[c, y + dy, dx : dx + width]
                for x in range(width):
                    mean[x] += other[x]
            for x in range(width):
                mean[x] /= np.float32(count)
            for n in range(count):
                dy, dx = offsets[n, 0] + reach, offsets[n, 1] + reach
                other = padded[c, y + dy, dx : dx + width]
                for x in range(width):
                    off = other[x] - mean[x]
                    spread[x] += off * off
            for x in range(width):
                variance[x] += spread[x] / np.float32(count - 1)
                deviation = np.sqrt(spread[x] / np.float32(count - 1)) + np.float32(EPS)
                spread[x] = np.float32(1) if joint else np.float32(1) / (deviation * scale)
            for n in range(count):
                dy, dx = offsets[n, 0] + reach, offsets[n, 1] + reach
                other = padded[c, y + dy, dx : dx + width]
                for x in range(width):
                    distance = (other[x] - centre[x]) * spread[x]
                    row[n, x] -= distance * distance / parts
        if joint:
            for x in range(width):
                deviation = (np.sqrt(variance[x]) + np.float32(EPS)) * scale
                spread[x] = np.float32(1) / (deviation * deviation)
            for n in range(count):
                for x in range(width):
                    row[n, x] *= spread[x]
        for x in range(width):
            mean[x] = row[0, x]
            spread[x] = 0
        for n in range(count):
            for x in range(width):
                mean[x] = max(mean[x], row[n, x])
        for n in range(count):
            for x in range(width):
                row[n, x] = np.exp(row[n, x] - mean[x])
                spread[x] += row[n, x]
        share = np.float32(1) - near.sum()
        for n in range(count):
            for x in range(width):
                row[n, x] = row[n, x] / spread[x] * share + near[n]


@njit(cache=True)
def sweep(
    padded: Floats,
    weights: Floats,
    offsets: NDArray[np.int64],
    reach: int,
    center: np.float32,
    out: Floats,
) -> None:
    """One iteration of all maps.

    Args:
        padded: (k, H + 2 reach, W + 2 reach) maps with their border.
        weights: (H, N, W).
        offsets: (N, 2) steps to the neighbours.
        reach: Width of the border.
        center: What a pixel keeps of itself.
        out: Like ``padded``, filled, the border included.
    """
    height, count, width = weights.shape
    rest = np.float32(1) - center
    total = np.empty(width, np.float32)
    for y in range(height):
        for m in range(padded.shape[0]):
            total[:] = 0
            for n in range(count):
                dy, dx = offsets[n, 0] + reach, offsets[n, 1] + reach
                other = padded[m, y + dy, dx : dx + width]
                weight = weights[y, n]
                for x in range(width):
                    total[x] += weight[x] * other[x]
            centre = padded[m, y + reach, reach : reach + width]
            target = out[m, y + reach]
            for x in range(width):
                target[reach + x] = center * centre[x] + rest * total[x]
            target[:reach] = target[reach]
            target[reach + width :] = target[reach + width - 1]
    for m in range(padded.shape[0]):
        for y in range(reach):
            out[m, y] = out[m, reach]
            out[m, reach + height + y] = out[m, reach + height - 1]
