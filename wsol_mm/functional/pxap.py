"""Pixel average precision: localization by masks, without choosing a threshold.

Choe et al., CVPR 2020 (PxAP). One number for the whole split: the histograms are summed over all
images first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def threshold_grid(interval: float) -> Floats:
    """Thresholds 0, interval, 2 * interval, ... below 1.

    Raises:
        ValueError: ``interval`` is not in (0, 1).

    >>> threshold_grid(0.25)
    array([0.  , 0.25, 0.5 , 0.75])
    """
    if not 0 < interval < 1:
        raise ValueError(f"interval must lie in (0, 1), got {interval}")
    return np.arange(0, 1, interval, dtype=np.float64)


def nearest_indices(length: int, size: int) -> NDArray[np.int64]:
    """Source pixel of every target pixel of a nearest-neighbour resize from ``size`` to ``length``.

    ``floor(target * (1 / (length / size)))`` in double precision: OpenCV's rule, which the integer
    form ``target * size // length`` misses for one width in fourteen.

    >>> nearest_indices(4, 10)
    array([0, 2, 5, 7])
    """
    source = np.floor(np.arange(length) * (1.0 / (length / size))).astype(np.int64)
    return np.asarray(np.minimum(source, size - 1), dtype=np.int64)


def pxap_update(
    score_map: Floats, mask: NDArray[np.bool_], ignore: NDArray[np.bool_] | None, interval: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Histograms of the scores of foreground and background pixels.

    Bins are left-closed, so ``score >= threshold`` is positive; the value 1 has a bin of its own.

    Args:
        score_map: (H, W) float64 in [0, 1].
        mask: (H, W) bool, foreground.
        ignore: (H, W) bool, pixels left out unless they are foreground.
        interval: Step of the threshold grid with T values.

    Returns:
        Two (T + 1,) int32 arrays: foreground and background.

    >>> fg, bg = pxap_update(np.array([[0.0, 0.5], [0.49, 1.0]]),
    ...                      np.array([[0, 1], [0, 1]], dtype=bool), None, 0.5)
    >>> fg, bg
    (array([0, 1, 1], dtype=int32), array([2, 0, 0], dtype=int32))
    """
    edges = np.append(threshold_grid(interval), 1.0)
    guess = np.minimum((score_map / interval).astype(np.int64), len(edges) - 1)
    # The quotient may be one bin off where a score sits on an edge; the edges themselves decide.
    guess -= score_map < edges[guess]
    after = np.minimum(guess + 1, len(edges) - 1)
    bins = np.where(score_map >= edges[after], after, guess)
    background = ~mask if ignore is None else ~(mask | ignore)
    fg, bg = (np.bincount(bins[part], minlength=len(edges)) for part in (mask, background))
    return fg.astype(np.int32), bg.astype(np.int32)


def pxap_compute(fg: NDArray[Any], bg: NDArray[Any]) -> Floats:
    """Pixel average precision of summed histograms, in percent.

    Sum of precision times the gain in recall, from the highest threshold to the lowest, without
    interpolation; the first point (above every score) adds nothing.

    Args:
        fg: (..., T + 1) foreground histogram, summed over images.
        bg: (..., T + 1) background histogram.

    Returns:
        (...) float64.

    Raises:
        ValueError: No pixel is foreground.

    >>> float(pxap_compute(np.array([0, 1, 1]), np.array([2, 0, 0])))
    100.0
    >>> float(pxap_compute(np.array([3, 0, 0]), np.array([1, 0, 0])))
    75.0
    """
    true, false = (np.cumsum(hist[..., ::-1], axis=-1, dtype=np.float64) for hist in (fg, bg))
    if (true[..., -1] <= 0).any():
        raise ValueError("PxAP needs at least one foreground pixel in the split, found none")
    recall = true / true[..., -1:]
    positive = true + false
    precision = np.divide(true, positive, out=np.zeros_like(true), where=positive > 0)
    return np.asarray((precision * np.diff(recall, axis=-1, prepend=0.0)).sum(axis=-1) * 100)
