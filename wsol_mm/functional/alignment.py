"""Feature direction alignment and attentive dropout (BridgeGap, Kim et al., CVPR 2022).

A class activation map is the product of two maps, CAM = |w| F S: the norm F of the features at each
position and their cosine similarity S with the class's weight. The losses let each of the two
follow the other. Gradients flow through F, S and the extremes that normalise F; regions and drop
masks are comparisons and carry none. Everything is computed in float32 at least, whatever the
surrounding precision.
"""

import torch
from torch import Tensor

from wsol_mm.functional.cam import class_activation_maps

__all__ = [
    "attentive_drop_mask",
    "norm_loss",
    "norm_map",
    "norm_regions",
    "normalized_norm_map",
    "similarity_loss",
    "similarity_maps",
    "similarity_regions",
]


def norm_map(features: Tensor) -> Tensor:
    """Length of the feature vector at each position (eq. 2).

    Args:
        features: (B, C, h, w), floating.

    Returns:
        (B, h, w), float32 (float64 for float64); gradient 0 where the vector is 0.

    Examples:
        >>> norm_map(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).tolist()
        [[[5.0, 0.0]]]
    """
    norm: Tensor = torch.linalg.vector_norm(_wide(features), dim=1)
    return norm


def normalized_norm_map(features: Tensor, eps: float = 1e-15) -> Tensor:
    """The norm map brought into [0, 1] by each image's own extremes (eq. 5).

    Args:
        features: (B, C, h, w), floating.
        eps: Maps whose extremes differ by no more than this are constant.

    Returns:
        (B, h, w), float32 (float64 for float64): 0 at the minimum, 1 at the maximum, also the
        extremes pass gradients on. All 0 and without gradient for a constant map.

    Examples:
        >>> normalized_norm_map(torch.tensor([[[[3.0, 1.0, 2.0]]]])).tolist()
        [[[1.0, 0.0, 0.5]]]
        >>> normalized_norm_map(torch.ones(1, 2, 1, 2)).tolist()
        [[[0.0, 0.0]]]
    """
    norm = norm_map(features)
    lifted = norm - norm.amin(dim=(1, 2), keepdim=True)
    return _divide(lifted, lifted.amax(dim=(1, 2), keepdim=True), eps)


def similarity_maps(
    features: Tensor, weight: Tensor, labels: Tensor | None = None, eps: float = 1e-12
) -> Tensor:
    """Cosine between each position's feature vector and the weights of classes (eq. 2).

    Args:
        features: (B, C, h, w), floating.
        weight: Weight of the linear classifier, (K, C); its bias takes no part.
        labels: Classes wanted for each image, int64 (B, k); all K without.
        eps: Vectors no longer than this have no direction.

    Returns:
        (B, k, h, w) or (B, K, h, w) in [-1, 1], float32 (float64 for float64). 0, without
        gradient, where features or weight have no direction.

    Raises:
        ValueError: The shapes do not fit together.

    Examples:
        >>> features = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
        >>> weight = torch.tensor([[1.0, 0.0], [0.0, -2.0]])
        >>> similarity_maps(features, weight).squeeze()
        tensor([[ 0.6000,  0.0000],
                [-0.8000,  0.0000]])
        >>> similarity_maps(features, weight, torch.tensor([[1]])).shape
        torch.Size([1, 1, 1, 2])
    """
    dtype = torch.promote_types(_wide(features).dtype, weight.dtype)
    features, weight = features.to(dtype), weight.to(dtype)
    with torch.autocast(features.device.type, enabled=False):
        features = _divide(features, torch.linalg.vector_norm(features, dim=1, keepdim=True), eps)
        weight = _divide(weight, torch.linalg.vector_norm(weight, dim=1, keepdim=True), eps)
        if labels is None:
            return torch.einsum("kc,bchw->bkhw", weight, features)
        return class_activation_maps(features, weight, labels)


def norm_regions(norm01: Tensor, tau_fg: float, tau_bg: float) -> tuple[Tensor, Tensor]:
    """Where features are long and where they are short: the regions of :func:`similarity_loss`.

    Args:
        norm01: Normalised norm map, (B, h, w).
        tau_fg: Lower end of the foreground, exclusive.
        tau_bg: Upper end of the background, exclusive.

    Returns:
        Foreground and background, bool (B, h, w) each; the band between is neither.

    Examples:
        >>> [part.tolist() for part in norm_regions(torch.tensor([[[0.0, 0.5, 1.0]]]), 0.6, 0.1)]
        [[[[False, False, True]]], [[[True, False, False]]]]
    """
    return norm01 > tau_fg, norm01 < tau_bg


def similarity_regions(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Where features point to one of the classes and where to none: those of :func:`norm_loss`.

    Args:
        similarity: (B, k, h, w).

    Returns:
        Foreground and background, bool (B, h, w) each; a largest similarity of exactly 0 is
        neither.
    """
    best = similarity.amax(dim=1)
    return best > 0, best < 0


def similarity_loss(norm01: Tensor, similarity: Tensor, tau_fg: float, tau_bg: float) -> Tensor:
    """Raise the similarity where the features are long, lower it where they are short (eq. 6).

    Per image, the mean similarity over positions with ``norm01 < tau_bg`` minus that over
    positions with ``norm01 > tau_fg``; the band between takes no part, an empty region counts 0.

    Args:
        norm01: Normalised norm map, (B, h, w); only compared, so it gets no gradient.
        similarity: Similarity with each image's own class, (B, h, w).
        tau_fg: Lower end of the foreground, exclusive.
        tau_bg: Upper end of the background, exclusive.

    Returns:
        Scalar, the mean over images.

    Examples:
        >>> norm01 = torch.tensor([[[0.0, 0.05, 0.5, 1.0]]])
        >>> similarity = torch.tensor([[[0.5, 0.25, 0.9, 0.75]]])
        >>> similarity_loss(norm01, similarity, tau_fg=0.6, tau_bg=0.1)
        tensor(-0.3750)
    """
    foreground, background = norm_regions(norm01, tau_fg, tau_bg)
    return (_region_mean(similarity, background) - _region_mean(similarity, foreground)).mean()


def norm_loss(norm01: Tensor, similarity: Tensor) -> Tensor:
    """Lengthen the features where they point to the object, shorten them elsewhere (eq. 7, 8).

    Per image, the mean of ``norm01`` over the background minus that over the foreground. A
    position is foreground if one of the given classes has a positive similarity, background if all
    are negative; a largest similarity of exactly 0 is neither, an empty region counts 0. Given the
    image's own class alone this is the paper's general rule; given all classes, its rule for
    fine-grained ones, whose objects share their parts.

    Args:
        norm01: Normalised norm map, (B, h, w).
        similarity: (B, k, h, w); only compared, so it gets no gradient.

    Returns:
        Scalar, the mean over images.

    Examples:
        >>> norm01 = torch.tensor([[[0.0, 0.25, 1.0]]])
        >>> own, other = [-0.5, -0.5, 0.5], [-0.5, 0.5, -0.5]
        >>> norm_loss(norm01, torch.tensor([[[own]]]))
        tensor(-0.8750)
        >>> norm_loss(norm01, torch.tensor([[[own], [other]]]))
        tensor(-0.6250)
    """
    foreground, background = similarity_regions(similarity)
    return (_region_mean(norm01, background) - _region_mean(norm01, foreground)).mean()


@torch.no_grad()
def attentive_drop_mask(
    features: Tensor, threshold: float, drop_prob: float, *, relative: bool = True
) -> Tensor:
    """Positions to drop: by chance among those of high attention (section 4.2).

    Attention is the mean over channels. Each position above the threshold is chosen by itself.

    Args:
        features: (B, C, h, w), floating.
        threshold: Attention must exceed it.
        drop_prob: Probability of a chosen position; 1 drops all above the threshold.
        relative: Measure the threshold in the image's largest attention; otherwise as it is.

    Returns:
        bool (B, 1, h, w), True where every channel is to be dropped.

    Examples:
        >>> features = torch.tensor([[[[1.0, 4.0, 5.0]]]])
        >>> attentive_drop_mask(features, threshold=0.7, drop_prob=1.0).tolist()
        [[[[False, True, True]]]]
        >>> attentive_drop_mask(features, threshold=0.7, drop_prob=1.0, relative=False).tolist()
        [[[[True, True, True]]]]
    """
    attention = _wide(features).mean(dim=1, keepdim=True)
    limit = threshold * attention.amax(dim=(2, 3), keepdim=True) if relative else threshold
    return (attention > limit) & (torch.rand_like(attention) < drop_prob)


def _wide(values: Tensor) -> Tensor:
    """Half precision as float32; float64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _divide(values: Tensor, by: Tensor, eps: float) -> Tensor:
    """A quotient that is 0, with gradient 0, where the divisor vanishes.

    A small constant in the divisor would give 0 too, but a gradient of its inverse.
    """
    return values / by.masked_fill(by <= eps, torch.inf)


def _region_mean(values: Tensor, region: Tensor) -> Tensor:
    """Mean over each image's positions inside a region, (B, h, w) both; 0 for an empty one."""
    total = values.masked_fill(~region, 0.0).sum(dim=(1, 2))
    return total / region.sum(dim=(1, 2)).clamp(min=1)
