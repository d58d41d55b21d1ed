"""TokenCut: an object as one side of a normalised cut through the graph of its patch tokens.

Wang et al., CVPR 2022 (https://arxiv.org/abs/2202.11539), rules as in the authors' code.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import label
from torch import Tensor
from torch.nn.functional import normalize

from wsol_mm.functional.lanczos import batched_lanczos, lanczos

# Residual of a unit vector that ends the search: turns it by at most residual / gap.
_TOLERANCE = 1e-10
_MAX_STEPS = 128
_MAX_ANGLE = 1e-4


class Eigenvectors(NamedTuple):
    """Second eigenvectors of a batch of graphs.

    Attributes:
        vectors: (B, n) float64 ``x`` with ``x^T D x = 1``, of either sign; all zeros where the
            graph has no structure (constant, or no two tokens alike).
        fallbacks: How many of them the dense solver had to find.
    """

    vectors: NDArray[np.float64]
    fallbacks: int


class Cut(NamedTuple):
    """One image, cut in two.

    Attributes:
        map: (h, w) float32 eigenvector, its sign such that the object is high.
        mask: (h, w) bool, the object.
        seed: Row and column of the token it grew from.
    """

    map: NDArray[np.float32]
    mask: NDArray[np.bool_]
    seed: tuple[int, int]


def token_graphs(tokens: Tensor, tau: float = 0.2, eps: float = 1e-5) -> Tensor:
    """Graphs of tokens: 1 between tokens alike, ``eps`` between all others.

    Args:
        tokens: (B, n, C), any floating dtype; keys of the last block in the paper.
        tau: Cosine similarity above which two tokens are alike.
        eps: Weight of the other edges, which keeps the graph connected; in [0, 1).

    Returns:
        float64 (B, n, n), symmetric, diagonal 1, on the tokens' device.

    Raises:
        ValueError: A shape, or ``eps`` out of range.

    Example:
        >>> token_graphs(torch.tensor([[[1.0, 0], [2, 1], [0, 5]]]), tau=0.5)[0].tolist()
        [[1.0, 1.0, 1e-05], [1.0, 1.0, 1e-05], [1e-05, 1e-05, 1.0]]
    """
    if tokens.dim() != 3 or not tokens.shape[1]:
        raise ValueError(f"expected tokens (B, n, C) with n > 0, got {tuple(tokens.shape)}")
    if not 0 <= eps < 1:
        raise ValueError(f"eps={eps}: expected a weight in [0, 1)")
    with torch.autocast(tokens.device.type, enabled=False):
        unit = normalize(tokens.detach().float(), dim=2)
        # Either triangle may round to the other side of tau: one of them decides.
        alike = torch.triu(torch.bmm(unit, unit.mT) > tau, 1)
    graphs = torch.full(alike.shape, eps, dtype=torch.float64, device=alike.device)
    graphs.masked_fill_(alike | alike.mT, 1.0)
    graphs.diagonal(dim1=1, dim2=2).fill_(1.0)
    return graphs


def second_eigenvectors(graphs: Tensor, workers: int | None = None) -> Eigenvectors:
    """Second smallest eigenvectors of ``(D - A) x = t D x``, D the row sums of A.

    Lanczos (:mod:`wsol_mm.functional.lanczos`), on the CPU one graph per thread, on other devices
    all graphs at once. What it finds is kept if its residual, measured on the graph, bounds the
    angle to the true vector by 1e-4; else scipy's dense solver decides, and is counted. With two
    equal eigenvalues any vector of their plane is as good, here as in scipy.

    Args:
        graphs: (B, n, n) float, symmetric, with positive row sums.
        workers: Threads on the CPU; torch's number by default.

    Returns:
        The vectors, and the number of fallbacks.

    Raises:
        ValueError: A shape.

    Example:
        >>> tokens = torch.tensor([[[1.0, 0], [1, 0], [0, 1]]])
        >>> vectors, fallbacks = second_eigenvectors(token_graphs(tokens))
        >>> np.sign(vectors[0] * vectors[0, 0]).tolist(), fallbacks
        ([1.0, 1.0, -1.0], 0)
    """
    if graphs.dim() != 3 or graphs.shape[1] != graphs.shape[2] or not graphs.shape[1]:
        raise ValueError(f"expected graphs (B, n, n), got {tuple(graphs.shape)}")
    graphs = graphs.detach().double()
    count, n = graphs.shape[:2]
    if n == 1 or not count:
        return Eigenvectors(np.zeros((count, n)), 0)
    if graphs.device.type == "cpu":
        vectors, residuals, gaps = _on_cpu(
            np.ascontiguousarray(graphs.numpy()), workers or torch.get_num_threads()
        )
    else:
        start = torch.from_numpy(_start(n)).to(graphs.device)
        x, _, residual, gap, _ = batched_lanczos(graphs, start, _MAX_STEPS, _TOLERANCE)
        vectors, residuals, gaps = (part.cpu().numpy() for part in (x, residual, gap))
    flat = ~vectors.any(axis=1)
    with np.errstate(invalid="ignore"):
        good = (residuals <= 10 * _TOLERANCE) & (residuals <= _MAX_ANGLE * gaps)
    doubtful = np.flatnonzero(~(good | flat))
    for i in doubtful:
        vectors[i] = dense_eigenvector(graphs[i].cpu().numpy())
    return Eigenvectors(vectors, len(doubtful))


def dense_eigenvector(graph: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same vector of one graph by scipy's generalised solver.

    Args:
        graph: (n, n) float64, n >= 2.

    Returns:
        (n,) float64.

    Example:
        >>> dense_eigenvector(np.array([[1.0, 0.5], [0.5, 1.0]])).prod() < 0
        np.True_
    """
    degrees = np.diag(graph.sum(axis=1))
    _, vectors = eigh(degrees - graph, degrees, subset_by_index=[1, 1])
    return np.asarray(vectors[:, 0], dtype=np.float64)


def bipartition(vector: NDArray[np.floating], grid: tuple[int, int]) -> Cut:
    """The object's side of a cut, and the connected part of it that holds the seed.

    The sides part at the vector's mean, the seed is the token of largest magnitude, the object the
    4-connected component around it on its side. A constant vector gives the whole image.

    Args:
        vector: (h * w,) eigenvector, of either sign.
        grid: (h, w).

    Returns:
        The cut.

    Raises:
        ValueError: The vector does not fill the grid.

    Example:
        >>> cut = bipartition(np.array([1.0, 1, -3, -2, 1, -3.5]), (2, 3))
        >>> cut.mask.astype(int).tolist(), cut.seed, cut.map[1, 2].item()
        ([[0, 0, 1], [0, 0, 1]], (1, 2), 3.5)
    """
    if vector.shape != (grid[0] * grid[1],):
        raise ValueError(f"a vector of shape {vector.shape} does not fill a grid of {grid}")
    seed = int(np.abs(vector).argmax())
    side = vector > vector.mean()
    if not side[seed]:
        side, vector = ~side, -vector
    row, column = divmod(seed, grid[1])
    parts, _ = label(side.reshape(grid))
    mask = np.asarray(parts == parts[row, column])
    return Cut(vector.reshape(grid).astype(np.float32), mask, (row, column))


@lru_cache(maxsize=32)
def _start(n: int) -> NDArray[np.float64]:
    """The fixed vector every search starts from."""
    return np.random.default_rng(0).standard_normal(n)


def _on_cpu(
    graphs: NDArray[np.float64], workers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Vectors, residuals and gaps."""
    count, n = graphs.shape[:2]
    vectors, residuals, gaps = np.empty((count, n)), np.empty(count), np.empty(count)
    start = _start(n)

    def solve(share: NDArray[np.int64]) -> None:
        for i in share:
            vectors[i], _, residuals[i], gaps[i], _ = lanczos(
                graphs[i], start, _MAX_STEPS, _TOLERANCE
            )

    shares = np.array_split(np.arange(count), min(workers, count))
    if len(shares) == 1:
        solve(shares[0])
    else:
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(solve, shares))
    return vectors, residuals, gaps
