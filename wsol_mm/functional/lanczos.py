"""Second eigenvector of a normalised graph by Lanczos: compiled for one graph, batched for many.

With the degrees ``d`` the generalised problem ``(D - A) x = t D x`` becomes the ordinary one of
``M = D^-1/2 A D^-1/2``: ``t = 1 - theta`` and ``x = D^-1/2 u``. M's largest pair is known (theta 1,
``u = sqrt(d)``), so the wanted vector is the largest of what is left when that direction is kept
out. Every new direction is made orthogonal to all earlier ones, the known one among them, which
makes the small tridiagonal matrix trustworthy; its largest pair comes from Sturm counts and
inverse iteration, whose pivots are all positive at a shift above the largest eigenvalue.

All compiled functions stand in this one file because numba's cache follows single files.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

# Sums may be reordered (else they do not vectorise), but NaN and infinity keep their meaning.
_MATH = {"reassoc", "contract", "nsz"}
# A next direction this short is rounding: the directions so far hold their eigenvectors exactly.
_BREAKDOWN = 1e-12
_CHECK_EVERY = 4
_CHECK_EVERY_BATCH = 16


@njit(cache=True, nogil=True, fastmath=_MATH)
def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True, fastmath=_MATH)
def _multiply(
    graph: NDArray[np.float64],
    scale: NDArray[np.float64],
    vector: NDArray[np.float64],
    scaled: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """``out = M vector``, with ``scaled`` as scratch."""
    n = len(vector)
    for i in range(n):
        scaled[i] = scale[i] * vector[i]
    for i in range(n):
        out[i] = scale[i] * _dot(graph[i], scaled)


@njit(cache=True, nogil=True)
def _count_above(
    diagonal: NDArray[np.float64], beside: NDArray[np.float64], m: int, shift: float
) -> int:
    """Eigenvalues of the leading m x m tridiagonal matrix above ``shift`` (Sturm)."""
    pivot, count = 1.0, 0
    for i in range(m):
        tail = beside[i - 1] * beside[i - 1] / pivot if i else 0.0
        pivot = shift - diagonal[i] - tail
        if pivot == 0.0:
            pivot = 1e-300
        if pivot < 0.0:
            count += 1
    return count


@njit(cache=True, nogil=True)
def _eigenvalue(
    diagonal: NDArray[np.float64], beside: NDArray[np.float64], m: int, rank: int, low: float
) -> float:
    """The eigenvalue number ``rank`` from above, approached from above; at least ``low``."""
    high = 1.0 + 1e-9
    while high - low > 1e-15:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if _count_above(diagonal, beside, m, middle) > rank:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True, nogil=True)
def _top_vector(
    diagonal: NDArray[np.float64],
    beside: NDArray[np.float64],
    m: int,
    shift: float,
    vector: NDArray[np.float64],
) -> None:
    """Unit eigenvector of the largest eigenvalue, by inverse iteration from just above it."""
    pivots = np.empty(m)
    for i in range(m):
        tail = beside[i - 1] * beside[i - 1] / pivots[i - 1] if i else 0.0
        pivots[i] = max(shift - diagonal[i] - tail, 1e-300)
    vector[:m] = 1.0
    for _ in range(3):
        for i in range(1, m):
            vector[i] += beside[i - 1] / pivots[i - 1] * vector[i - 1]
        vector[m - 1] /= pivots[m - 1]
        for i in range(m - 2, -1, -1):
            vector[i] = (vector[i] + beside[i] * vector[i + 1]) / pivots[i]
        largest = np.abs(vector[:m]).max()
        for i in range(m):
            vector[i] /= largest
        norm = np.sqrt(_dot(vector[:m], vector[:m]))
        for i in range(m):
            vector[i] /= norm


@njit(cache=True, nogil=True, fastmath=_MATH)
def lanczos(
    graph: NDArray[np.float64], start: NDArray[np.float64], max_steps: int, tolerance: float
) -> tuple[NDArray[np.float64], float, float, float, int]:
    """Second eigenvector of one graph, on one thread; releases Python's lock.

    Args:
        graph: (n, n) float64, symmetric, C order, with positive row sums; n >= 2.
        start: (n,) float64, any vector that is not special for the graph.
        max_steps: Directions to try at most.
        tolerance: Length of ``M u - theta u`` (of a unit ``u``) that ends the search.

    Returns:
        ``x`` (n,) with unit ``u``; ``theta``; the residual measured on the graph itself; the gap
        to the next eigenvalue seen (infinite where only one was seen); steps taken. ``x`` is all
        zeros, and the gap 0, where every vector is an eigenvector: a graph without structure.

    Example:
        >>> two = np.kron(np.eye(2), np.ones((2, 2))) + 1e-3
        >>> x, theta, residual, gap, steps = lanczos(two, np.array([1.0, 2, 4, 7]), 9, 1e-10)
        >>> bool(x[0] * x[1] > 0 > x[1] * x[2]), residual < 1e-10
        (True, True)
    """
    n = len(graph)
    steps = min(max_steps, n - 1)
    basis = np.empty((steps + 1, n))
    diagonal, beside, weights = np.empty(steps), np.empty(steps), np.empty(steps)
    scale, scaled, new = np.empty(n), np.empty(n), np.empty(n)
    total = 0.0
    for i in range(n):
        degree = graph[i].sum()
        scale[i] = 1.0 / np.sqrt(degree)
        total += degree
    for i in range(n):
        basis[0, i] = 1.0 / (scale[i] * np.sqrt(total))
        new[i] = start[i]
    amount = _dot(basis[0], new)
    for i in range(n):
        new[i] -= amount * basis[0, i]
    norm = np.sqrt(_dot(new, new))
    theta, m = -1.0, 0
    while m < steps:
        for i in range(n):
            basis[m + 1, i] = new[i] / norm
        m += 1
        _multiply(graph, scale, basis[m], scaled, new)
        diagonal[m - 1] = _dot(basis[m], new)
        for k in range(m, -1, -1):
            amount = _dot(basis[k], new)
            for i in range(n):
                new[i] -= amount * basis[k, i]
        norm = np.sqrt(_dot(new, new))
        beside[m - 1] = norm
        last = m == steps or norm < _BREAKDOWN
        if last or m % _CHECK_EVERY == 0:
            # More directions can only raise the largest eigenvalue.
            theta = _eigenvalue(diagonal, beside, m, 0, max(theta - 1e-12, -1.0 - 1e-9))
            _top_vector(diagonal, beside, m, theta, weights)
            if last or norm * abs(weights[m - 1]) < tolerance:
                break
    if m == 1 and norm < _BREAKDOWN and (n > 2 or theta < _BREAKDOWN):
        return np.zeros(n), theta, 0.0, 0.0, m
    for i in range(n):
        scaled[i] = 0.0
    for k in range(m):
        for i in range(n):
            scaled[i] += weights[k] * basis[k + 1, i]
    vector = scaled / np.sqrt(_dot(scaled, scaled))
    _multiply(graph, scale, vector, scaled, new)
    theta = _dot(vector, new)
    for i in range(n):
        new[i] -= theta * vector[i]
    gap = theta - _eigenvalue(diagonal, beside, m, 1, -1.0 - 1e-9) if m > 1 else np.inf
    return vector * scale, theta, np.sqrt(_dot(new, new)), gap, m


def batched_lanczos(
    graphs: Tensor, start: Tensor, max_steps: int, tolerance: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """The same for many graphs at once, on their device.

    Args:
        graphs: (B, n, n) float64, as in :func:`lanczos`.
        start: (n,) float64, for all graphs.
        max_steps: Directions to try at most, for all graphs.
        tolerance: The batch goes on until every graph is below it.

    Returns:
        ``x`` (B, n), ``theta``, residuals and gaps (B,), and the steps taken, as of
        :func:`lanczos`.

    Example:
        >>> two = torch.kron(torch.eye(2), torch.ones(2, 2)).double() + 1e-3
        >>> start = torch.tensor([1.0, 2, 4, 7]).double()
        >>> x, *_ = batched_lanczos(two[None], start, 9, 1e-10)
        >>> (x[0] > 0).tolist() in ([True, True, False, False], [False, False, True, True])
        True
    """
    count, n = graphs.shape[:2]
    steps = min(max_steps, n - 1)
    degrees = graphs.sum(dim=2)
    scale = degrees.rsqrt()
    known = degrees.sqrt() / degrees.sum(dim=1, keepdim=True).sqrt()
    basis = graphs.new_zeros(count, steps + 1, n)
    basis[:, 0] = known
    small = graphs.new_zeros(count, steps, steps)
    new = start.expand(count, n) - (known @ start)[:, None] * known
    norm = new.norm(dim=1)
    flat = torch.zeros_like(norm, dtype=torch.bool)
    m = 0
    while m < steps:
        # An exhausted graph gets zero directions: zero rows that leave its eigenpairs alone.
        alive = norm > _BREAKDOWN
        m += 1
        basis[:, m] = torch.where(alive, 1 / norm, 0.0)[:, None] * new
        if m > 1:
            small[:, m - 1, m - 2] = small[:, m - 2, m - 1] = torch.where(alive, norm, 0.0)
        new = scale * torch.bmm(graphs, (scale * basis[:, m])[..., None])[..., 0]
        small[:, m - 1, m - 1] = torch.where(alive, (basis[:, m] * new).sum(dim=1), -1.0)
        seen = basis[:, : m + 1]
        for _ in range(2):  # classical Gram-Schmidt needs the second pass
            new = new - torch.bmm(torch.bmm(seen, new[..., None]).mT, seen)[:, 0]
        norm = new.norm(dim=1)
        if m == 1:
            empty = (norm < _BREAKDOWN) & (small[:, 0, 0] < _BREAKDOWN)
            flat = empty if n == 2 else norm < _BREAKDOWN
        if m == steps or m % _CHECK_EVERY_BATCH == 0:
            # Small dense eigenproblems are faster on the CPU than in a batch on a GPU.
            values, vectors = (
                part.to(graphs) for part in torch.linalg.eigh(small[:, :m, :m].cpu())
            )
            weights = vectors[..., -1]
            if bool((norm * weights[:, -1].abs() < tolerance).all()):
                break
    vector = torch.bmm(weights[:, None], basis[:, 1 : m + 1])[:, 0]
    vector = vector / vector.norm(dim=1, keepdim=True)
    product = scale * torch.bmm(graphs, (scale * vector)[..., None])[..., 0]
    theta = (vector * product).sum(dim=1)
    residual = (product - theta[:, None] * vector).norm(dim=1)
    gap = theta - values[:, -2] if m > 1 else torch.full_like(theta, torch.inf)
    keep = ~flat
    return vector * scale * keep[:, None], theta, residual * keep, gap * keep, m
