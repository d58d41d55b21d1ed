"""Bootstrap confidence intervals over images."""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Average = Literal["micro", "macro"]


def resample_counts(
    labels: NDArray[np.int64], average: Average, times: int, seed: int, chunk: int = 64
) -> Iterator[Floats]:
    """How often each image is drawn in bootstrap resamples, in blocks of up to ``chunk``.

    Images are drawn with replacement; for the macro average within their class, so that every
    class keeps its size.

    >>> blocks = list(resample_counts(np.array([0, 0, 1]), "macro", times=3, seed=0, chunk=2))
    >>> [block.shape for block in blocks], float(blocks[0][:, 2].max())
    ([(2, 3), (1, 3)], 1.0)
    """
    rng = np.random.default_rng(seed)
    groups = np.zeros_like(labels) if average == "micro" else labels
    order = np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    start, size = np.repeat(first, sizes), np.repeat(sizes, sizes)
    for done in range(0, times, chunk):
        block = np.empty((min(chunk, times - done), len(labels)))
        for row in block:
            drawn = order[start + (rng.random(len(labels)) * size).astype(np.int64)]
            row[:] = np.bincount(drawn, minlength=len(labels))
        yield block


def bootstrap_intervals(
    statistics: Callable[[Floats], Floats],
    labels: NDArray[np.int64],
    *,
    average: Average = "micro",
    times: int = 1000,
    seed: int = 0,
) -> Floats:
    """95 % percentile intervals of numbers that are functions of how often each image is drawn.

    Every number sees the same resamples.

    Args:
        statistics: Maps counts (b, n) to numbers (b, M); NaN where a resample has no answer.
        labels: (n,) ground-truth class.
        average: ``micro``, or ``macro`` to draw within classes.
        times: Number of resamples.
        seed: Seed of the draws.

    Returns:
        (M, 2) lower and upper ends.

    >>> right = np.array([[1.0], [1.0], [1.0], [1.0]])
    >>> bootstrap_intervals(lambda counts: counts @ right * 25, np.zeros(4, dtype=int), times=20)
    array([[100., 100.]])
    """
    found = [statistics(counts) for counts in resample_counts(labels, average, times, seed)]
    ends = np.nanpercentile(np.concatenate(found), [2.5, 97.5], axis=0)
    return np.asarray(ends.T, dtype=np.float64)
