"""Class activation maps and what turns one into a grey image: scaling, normalisation, levels.

The network side (``class_activation_maps``) is torch and batched; everything after it works on one
map at a time in numpy float64, because a float32 step flips grey levels.
"""

from typing import Literal, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Normalization = Literal["minmax", "max", "pas", "ivr"]

__all__ = ["Normalization", "class_activation_maps", "normalize_map", "to_grey", "upsample_map"]


def class_activation_maps(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Class activation maps of chosen classes: the classifier's row, dotted with every location.

    Zhou et al., CVPR 2016, eq. 2: no bias, no ReLU, no scaling. Only the rows that ``labels`` names
    are multiplied, so the cost does not grow with the number of classes.

    Args:
        features: Last feature maps, shape (B, C, h, w), floating.
        weight: Weight of the linear classifier, shape (K, C), same dtype as ``features``.
        labels: Classes wanted for each image, shape (B, k), int64 in [0, K).

    Returns:
        Raw maps, shape (B, k, h, w), dtype of ``features``; differentiable in both inputs.

    Raises:
        ValueError: The three shapes do not fit together.
        IndexError: A label is outside [0, K) (on CPU; a device assertion elsewhere).

    Examples:
        >>> features = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])  # (1, 2, 1, 2)
        >>> weight = torch.tensor([[1.0, 0.0], [0.5, 0.5], [-1.0, 1.0]])
        >>> class_activation_maps(features, weight, torch.tensor([[2, 1]])).tolist()
        [[[[-1.0, 2.0]], [[0.5, 3.0]]]]
    """
    if features.dim() != 4 or weight.dim() != 2 or labels.dim() != 2:
        raise ValueError(
            "expected features (B, C, h, w), weight (K, C) and labels (B, k), got "
            f"{tuple(features.shape)}, {tuple(weight.shape)} and {tuple(labels.shape)}"
        )
    if features.shape[1] != weight.shape[1] or features.shape[0] != labels.shape[0]:
        raise ValueError(
            f"features {tuple(features.shape)}, weight {tuple(weight.shape)} and labels "
            f"{tuple(labels.shape)} disagree on the number of channels or images"
        )
    return torch.einsum("bkc,bchw->bkhw", weight[labels], features)


def upsample_map(score_map: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    """Resize a map by cubic interpolation (A = -0.75, half-pixel centres, edges repeated).

    Args:
        score_map: Map of shape (h, w), any floating dtype; it is widened to float64 first.
        size: Wanted (width, height) in pixels.

    Returns:
        float64 of shape (height, width). Cubic interpolation may overshoot the input's range.

    Raises:
        ValueError: The map is not two-dimensional or has no pixel, or the size is not positive.

    Examples:
        >>> upsample_map(np.eye(2, dtype=np.float32), (3, 2)).shape
        (2, 3)
        >>> bool(np.ptp(upsample_map(np.full((2, 2), 0.25), (5, 5))) == 0)
        True
    """
    values = _as_map(score_map)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size must be a positive (width, height), got {size}")
    resized = cv2.resize(values, (int(size[0]), int(size[1])), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.float64)


def normalize_map(
    score_map: NDArray[np.floating],
    method: Normalization = "minmax",
    *,
    percentile: float | None = None,
) -> NDArray[np.float64]:
    """Bring one map into [0, 1], so that thresholds mean the same for every image.

    With ``M`` the map, ``min`` and ``max`` its extremes and ``P`` its percentile:

    * ``minmax``: (M - min) / (max - min).
    * ``max``: M / max, negative values cut at 0.
    * ``pas``: (M - min) / (P - min), values above 1 cut; a few extreme peaks no longer set the
      scale (percentile as a standard for thresholding: Bae et al., ECCV 2020; here with the
      minimum subtracted first, so that values start at 0).
    * ``ivr``: (M - P) / (max - P), negative values cut; a long tail of low values no longer sets
      the zero (restricting the values' range: Kim et al., ICCV 2021).

    Args:
        score_map: Map of shape (h, w), any floating dtype, not necessarily upsampled.
        method: One of ``minmax``, ``max``, ``pas``, ``ivr``.
        percentile: In [0, 100]; needed by ``pas`` (0.9 in papers is 90 here) and ``ivr``, refused
            by the other two, where it would have no effect.

    Returns:
        float64 of shape (h, w) within [0, 1]. All zeros for a constant map, for a map with any NaN
        (the reference evaluator's rule), and where nothing is left above the method's zero.

    Raises:
        ValueError: Unknown method, a missing, superfluous or impossible percentile, a map that is
            not two-dimensional or empty, or one that contains an infinity.

    Examples:
        >>> peak = np.array([[-1.0, 0.0], [1.0, 3.0]])
        >>> normalize_map(peak, "minmax").tolist()
        [[0.0, 0.25], [0.5, 1.0]]
        >>> normalize_map(peak, "max").tolist()[1][1], normalize_map(peak, "max").tolist()[0]
        (1.0, [0.0, 0.0])
        >>> normalize_map(peak, "pas", percentile=50).tolist()  # P = 0.5
        [[0.0, 0.6666666666666666], [1.0, 1.0]]
        >>> normalize_map(peak, "ivr", percentile=50).tolist()
        [[0.0, 0.0], [0.2, 1.0]]
        >>> normalize_map(np.full((1, 2), 7.0)).tolist()
        [[0.0, 0.0]]
    """
    if method not in get_args(Normalization):
        raise ValueError(
            f"unknown normalization {method!r}, expected one of {get_args(Normalization)}"
        )
    if (percentile is None) == (method in ("pas", "ivr")):
        need = "needs a percentile in [0, 100]" if percentile is None else "takes no percentile"
        raise ValueError(f"normalization {method!r} {need}")
    rank = 0.0 if percentile is None else float(percentile)
    if not 0 <= rank <= 100:
        raise ValueError(f"percentile must lie in [0, 100], got {percentile}")
    values = _as_map(score_map)
    low, high = float(values.min()), float(values.max())
    if np.isnan(low) or low == high:
        return np.zeros_like(values)
    if np.isinf(low) or np.isinf(high):
        raise ValueError("the map contains an infinite value; it cannot be normalised")
    if method == "ivr":
        low = float(np.percentile(values, rank))
    elif method == "max":
        low = 0.0
    lifted = values - low
    # The top is measured after the subtraction: this order makes the result bit-equal to the
    # reference evaluator's, and makes the largest value exactly 1.
    top = float(np.percentile(lifted, rank) if method == "pas" else lifted.max())
    if top <= 0:
        # pas: more than the percentile's share of the pixels sits at the minimum; its quotient's
        # limit is a step. Else: nothing lies above the zero, as in a negative map under `max`.
        return (lifted > 0).astype(np.float64)
    return np.clip(lifted / top, 0.0, 1.0)


def to_grey(map01: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Quantise a normalised map to 256 levels by truncation, as the reference evaluator does.

    Args:
        map01: float64 of shape (H, W) with every value in [0, 1].

    Returns:
        uint8 of shape (H, W): ``trunc(255 * value)``; only an exact 1 becomes 255.

    Raises:
        ValueError: A value is NaN or outside [0, 1], or the map is not two-dimensional or empty.

    Examples:
        >>> to_grey(np.array([[0.0, 0.999, 1.0]])).tolist()
        [[0, 254, 255]]
    """
    values = _as_map(map01)
    if not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError(
            f"grey levels need values in [0, 1], got {values.min()} to {values.max()}; "
            "call normalize_map first"
        )
    return (values * 255).astype(np.uint8)


def _as_map(array: NDArray[np.floating]) -> NDArray[np.float64]:
    """The array as float64, refused unless it is a non-empty picture of numbers."""
    values = np.asarray(array)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected one map of shape (h, w), got shape {values.shape}")
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"expected a floating map, got dtype {values.dtype}")
    return values.astype(np.float64, copy=False)
