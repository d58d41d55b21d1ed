"""The causal context pool of CI-CAM: one standardised map per class, and what it does to features.

Shao et al., ACM MM 2021, section 3.4. Formulas follow the authors' released code where it differs
from the paper's text: eq. 7's batch normalisation acts on a batch of one, which standardises each
class's map over its own positions, and eq. 8's product is element-wise.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "centre_prior",
    "enhance",
    "map_correlation",
    "relative_change",
    "resize_maps",
    "standardize_maps",
    "sum_by_class",
    "update_pool",
]


def standardize_maps(maps: Tensor, eps: float = 1e-5) -> Tensor:
    """Each map minus its mean, divided by its standard deviation (biased, ``eps`` in the root).

    An all-zero map stays exactly zero; another constant one comes out within rounding of it.

    Args:
        maps: (..., h, w), floating.
        eps: Added to the variance.

    Returns:
        Same shape and dtype.

    Example:
        >>> standardize_maps(torch.tensor([[[0.0, 2.0]], [[5.0, 5.0]]]), eps=3.0).tolist()
        [[[-0.5, 0.5]], [[0.0, 0.0]]]
    """
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    variance = centred.square().mean(dim=(-2, -1), keepdim=True)
    return centred * (variance + eps).rsqrt()


def sum_by_class(maps: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Sum, not mean, of the maps of each class.

    Args:
        maps: (B, h, w).
        labels: int64 (B,), the class of each map.
        num_classes: Classes n.

    Returns:
        (n, h, w), zero for classes without a map.

    Example:
        >>> maps = torch.tensor([[[1.0]], [[2.0]], [[4.0]]])
        >>> sum_by_class(maps, torch.tensor([2, 0, 2]), 3).flatten()
        tensor([2., 0., 5.])
    """
    return maps.new_zeros(num_classes, *maps.shape[1:]).index_add_(0, labels, maps)


def update_pool(pool: Tensor, sums: Tensor, rate: float) -> Tensor:
    """One step of the pool: ``S(Q + rate * S(u))`` for every class, ``S`` the standardisation.

    Zero maps stay zero. The first map of a class replaces zeros whatever the rate; afterwards the
    rate is that of a moving average of directions. A class without a new map changes only by the
    factor ``1 / sqrt(variance + eps)``, whose fixed point is the variance ``1 - eps``.

    Args:
        pool: Q, (n, h, w) float32.
        sums: u, (n, h, w) float32 of :func:`sum_by_class`, over all ranks.
        rate: The paper's lambda.

    Returns:
        The new pool.

    Source: Shao et al., ACM MM 2021, eq. 7, and the released code's use of it.

    Example:
        >>> sums = torch.tensor([[[0.0, 3.0]], [[0.0, 0.0]]])
        >>> pool = update_pool(torch.zeros(2, 1, 2), sums, 0.01)
        >>> [round(value, 2) for value in pool.flatten().tolist()]
        [-0.95, 0.95, 0.0, 0.0]
    """
    return standardize_maps(pool + rate * standardize_maps(sums))


def enhance(features: Tensor, contexts: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Features times ``1 + bias_c + sum_m scale_mc * context_m``, position by position.

    With one context per image this is eq. 8 as the authors' code has it: the 1x1 convolution of a
    map that is zero except for the predicted class's channel is that class's column of weights
    times its map, plus the bias.

    Args:
        features: X, (B, C, h, w).
        contexts: (B or 1, m, h, w), the maps that enter.
        scale: (B or 1, m, C), their weights in each channel.
        bias: (C,).

    Returns:
        X^e, (B, C, h, w); it may change sign.

    Example:
        >>> features, context = torch.tensor([[[[2.0, 4.0]]]]), torch.tensor([[[[1.0, -1.0]]]])
        >>> enhance(features, context, torch.tensor([[[0.5]]]), torch.tensor([0.25])).tolist()
        [[[[3.5, 3.0]]]]
    """
    attention = torch.einsum("bmc,bmhw->bchw", scale, contexts)
    return features * (attention + (1.0 + bias)[:, None, None])


def relative_change(features: Tensor, enhanced: Tensor) -> Tensor:
    """How far features moved: root mean square of the difference over that of the features.

    Args:
        features: X, (B, C, h, w), floating.
        enhanced: X^e, of the same shape.

    Returns:
        (B,); 0 where nothing changed, and for features that are all zero.

    Example:
        >>> features = torch.tensor([[[[3.0, 4.0]]]])
        >>> relative_change(features, 1.5 * features).tolist()
        [0.5]
    """
    size = features.float().flatten(1).norm(dim=1)
    change = (enhanced.float() - features.float()).flatten(1).norm(dim=1)
    share: Tensor = change / size.clamp(min=torch.finfo(size.dtype).tiny)
    return share


def map_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation over the positions of two maps.

    Args:
        first: (B, h, w), floating.
        second: Of the same shape.

    Returns:
        (B,) in [-1, 1]; 0 where a map is constant.

    Example:
        >>> first = torch.tensor([[[0.0, 1.0, 2.0]]])
        >>> [round(map_correlation(first, other).item(), 6) for other in (3 - first, first ** 0)]
        [-1.0, 0.0]
    """
    centred = (maps.float().flatten(1) for maps in (first, second))
    ours, theirs = (maps - maps.mean(dim=1, keepdim=True) for maps in centred)
    return F.cosine_similarity(ours, theirs, dim=1)


def resize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at another size by bilinear interpolation; the same tensor where the size is right.

    Args:
        maps: (m, h, w).
        size: Wanted (height, width).

    Returns:
        (m, *size).

    Example:
        >>> resize_maps(torch.tensor([[[0.0, 4.0]]]), (1, 4)).tolist()
        [[[0.0, 1.0, 3.0, 4.0]]]
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]


def centre_prior(size: tuple[int, int]) -> Tensor:
    """A standardised Gaussian bump in the middle, a third of each side wide (one sigma).

    The control for the pool: trained pools are close to a class-independent centre bump.

    Args:
        size: (height, width).

    Returns:
        float32 (height, width), mean 0 and variance 1.

    Example:
        >>> bump = centre_prior((3, 3))
        >>> bump.argmax().item(), bool(bump[0, 0] == bump[2, 2])
        (4, True)
    """
    rows, columns = (
        torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (side / 3)).square())
        for side in size
    )
    return standardize_maps(rows[:, None] * columns)
