"""C2AM: an activation map learned by telling foreground from background across images.

Xie et al., *C2AM: Contrastive learning of Class-agnostic Activation Map for weakly supervised
object localization and semantic segmentation*, CVPR 2022. No labels: a map P splits each feature
map into a foreground and a background vector; vectors of the same kind should be alike, those of
different kinds should not. Nothing says which of the two is the object: see :func:`border_votes`.
"""

import torch
from torch import Tensor

__all__ = [
    "border_votes",
    "cosine_matrix",
    "disentangle",
    "pull_loss",
    "push_loss",
    "rank_weights",
]

# The authors' bounds of a similarity, which keep the logarithms finite.
LOW, HIGH = 0.0005, 0.9995


def disentangle(features: Tensor, activation: Tensor) -> tuple[Tensor, Tensor]:
    """Foreground and background vectors: features weighted by P and by 1 - P.

    Args:
        features: (B, C, h, w).
        activation: P in [0, 1], (B, 1, h, w).

    Returns:
        Two (B, C): sums over positions, divided by their number (the cosines that follow do not
        see the scale).

    Example:
        >>> features = torch.tensor([[[[2.0, 4.0]]]])
        >>> disentangle(features, torch.tensor([[[[1.0, 0.25]]]]))
        (tensor([[1.5000]]), tensor([[1.5000]]))
    """
    foreground = (features * activation).mean(dim=(2, 3))
    return foreground, features.mean(dim=(2, 3)) - foreground


def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all pairs, kept inside (0, 1) as the authors' code does.

    Args:
        a: (N, C).
        b: (M, C).

    Returns:
        (N, M) in [0.0005, 0.9995]; no gradient flows where a bound holds.

    Example:
        >>> cosine_matrix(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0], [3.0, 4.0]]))
        tensor([[5.0000e-04, 6.0000e-01]])
    """
    a = torch.nn.functional.normalize(a, dim=1)
    b = torch.nn.functional.normalize(b, dim=1)
    return (a @ b.T).clamp(LOW, HIGH)


@torch.no_grad()
def rank_weights(similarity: Tensor, alpha: float) -> Tensor:
    """``exp(-alpha * rank)``: the more alike a pair is, the more it counts.

    The rank is a pair's place in its row's descending order, counted from -1, as the authors'
    code does: the self pair, whose loss is almost none, gets -1, the best neighbour 0.

    Args:
        similarity: (N, N).
        alpha: Decay from rank to rank.

    Returns:
        (N, N), without gradient.

    Example:
        >>> similarity = torch.tensor([[0.9, 0.2, 0.5]])
        >>> rank_weights(similarity, alpha=1.0)
        tensor([[2.7183, 0.3679, 1.0000]])
    """
    # stable: of equal pairs, such as those at a bound, the earlier goes first on every device
    order = similarity.argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1) - 1
    return torch.exp(-alpha * rank.to(similarity.dtype))


def pull_loss(vectors: Tensor, alpha: float) -> Tensor:
    """Vectors of the same kind should be alike: rank-weighted ``-log(similarity)``.

    Args:
        vectors: Foregrounds, or backgrounds, of a batch, (N, C).
        alpha: Of :func:`rank_weights`.

    Returns:
        Scalar, the mean over all N x N pairs, self pairs included.

    Source: Xie et al., CVPR 2022, positive pairs; details as in the released code.

    Example:
        >>> round(pull_loss(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), alpha=0.5).item(), 4)
        0.2558
    """
    similarity = cosine_matrix(vectors, vectors)
    return (rank_weights(similarity, alpha) * -similarity.log()).mean()


def push_loss(foreground: Tensor, background: Tensor) -> Tensor:
    """Vectors of different kinds should not be alike: ``-log(1 - similarity)``.

    Args:
        foreground: (N, C).
        background: (N, C).

    Returns:
        Scalar, the mean over all N x N pairs.

    Source: Xie et al., CVPR 2022, negative pairs.

    Example:
        >>> round(push_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])).item(), 4)
        0.9163
    """
    return -torch.log1p(-cosine_matrix(foreground, background)).mean()


@torch.no_grad()
def border_votes(activation: Tensor) -> Tensor:
    """Images whose border is mostly active: there P marks the background.

    Args:
        activation: P in [0, 1], (B, 1, h, w).

    Returns:
        bool (B,): of the border cells (corners count in both of their lines) more than half are
        above .5.

    Source: the released code looks at one image this way.

    Example:
        >>> activation = torch.ones(2, 1, 3, 3)
        >>> activation[1, 0, 0], activation[1, 0, :, 0] = 0, 0
        >>> border_votes(activation)
        tensor([ True, False])
    """
    active = (activation[:, 0] > 0.5).float()
    lines = [active[:, 0], active[:, -1], active[:, :, 0], active[:, :, -1]]
    return torch.cat(lines, dim=1).mean(dim=1) > 0.5
