"""Adversarial complementary learning: erase what one classifier sees, ask a second for the rest.

ACoL, Zhang et al., CVPR 2018 (Adversarial Complementary Learning for Weakly Supervised Object
Localization), in the form of the reference benchmark.
"""

import torch
from torch import Tensor

__all__ = ["erase_salient", "merge_maps", "minmax_maps"]


def minmax_maps(maps: Tensor) -> Tensor:
    """Bring each map of a batch into [0, 1] by its own extremes.

    For training; maps that are scored are normalised in float64 by
    :func:`wsol_mm.functional.cam.normalize_map`.

    Args:
        maps: Shape (..., h, w), floating.

    Returns:
        Shape and dtype of ``maps``, differentiable. A constant map becomes 0 everywhere.

    Examples:
        >>> minmax_maps(torch.tensor([[[-1.0, 1.0, 3.0]], [[2.0, 2.0, 2.0]]])).tolist()
        [[[0.0, 0.5, 1.0]], [[0.0, 0.0, 0.0]]]
    """
    lifted = maps - maps.amin(dim=(-2, -1), keepdim=True)
    top = lifted.amax(dim=(-2, -1), keepdim=True)
    return lifted / top.masked_fill(top == 0, 1.0)


def erase_salient(features: Tensor, map01: Tensor, threshold: float) -> Tensor:
    """Zero all channels of the features wherever a normalised map reaches a threshold.

    The map is a mask only: gradients reach the features that are left, never the map.

    Args:
        features: Shape (B, C, h, w), floating.
        map01: Normalised map of each image, shape (B, 1, h, w).
        threshold: Positions with ``map01 >= threshold`` are erased; in (0, 1], so that a constant
            map, which is normalised to 0, erases nothing.

    Returns:
        Shape and dtype of ``features``.

    Raises:
        ValueError: The shapes do not fit together.

    Examples:
        >>> features = torch.tensor([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]])  # (1, 2, 1, 3)
        >>> erase_salient(features, torch.tensor([[[[0.0, 0.7, 1.0]]]]), 0.7).tolist()
        [[[[1.0, 0.0, 0.0]], [[4.0, 0.0, 0.0]]]]
    """
    if features.dim() != 4 or map01.shape != (features.shape[0], 1, *features.shape[2:]):
        raise ValueError(
            "expected features (B, C, h, w) and map01 (B, 1, h, w), got "
            f"{tuple(features.shape)} and {tuple(map01.shape)}"
        )
    return features.masked_fill(map01 >= threshold, 0.0)


def merge_maps(first: Tensor, second: Tensor) -> Tensor:
    """The two classifiers' localization: elementwise maximum of both maps, each normalised first.

    Args:
        first: Raw maps of the classifier that sees everything, shape (..., h, w), floating.
        second: Raw maps of the classifier that sees the rest, same shape.

    Returns:
        Shape of ``first``, in [0, 1].

    Examples:
        >>> merge_maps(torch.tensor([[0.0, 4.0, 1.0]]), torch.tensor([[5.0, 5.0, 6.0]])).tolist()
        [[0.0, 1.0, 1.0]]
    """
    return torch.maximum(minmax_maps(first), minmax_maps(second))
