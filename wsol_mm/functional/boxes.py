"""From a score map to boxes, and how much boxes overlap."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.filters import threshold_otsu

from wsol_mm.functional.cam import Normalization, normalize_map, to_grey, upsample_map
from wsol_mm.functional.component_tree import component_boxes

Rule = Literal["fixed", "otsu", "mean", "two_thresholds"]


def box_iou(a: ArrayLike, b: ArrayLike, *, plus_one: bool = False) -> NDArray[np.float64]:
    """Intersection over union of all pairs.

    Args:
        a: (n, 4) boxes x0, y0, x1, y1.
        b: (m, 4) boxes.
        plus_one: Ends are inclusive, every width and height counts one pixel more.

    Returns:
        (n, m) float64; 0 where the union has no area.

    Raises:
        ValueError: A shape is not (n, 4), a box is not finite, or one ends before it starts.

    Examples:
        >>> box_iou([[1, 2, 5, 6]], [[3, 1, 4, 5]], plus_one=True).item() == 8 / 27
        True
        >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 5, 5]]).tolist()
        [[0.3333333333333333, 0.0]]
    """
    first, second = _boxes("a", a)[:, None], _boxes("b", b)[None]
    one = 1.0 if plus_one else 0.0
    ends = np.minimum(first[..., 2:], second[..., 2:])
    starts = np.maximum(first[..., :2], second[..., :2])
    shared = (ends - starts + one).clip(0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2] + one).prod(axis=-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def threshold_level(grey: NDArray[np.uint8], threshold: float) -> int:
    """Grey level of a threshold: a share of the map's own maximum, truncated.

    The mask is ``grey > level``, so the brightest pixel survives every threshold below 1.

    Args:
        grey: (H, W) uint8.
        threshold: In [0, 1).

    Returns:
        Level in 0..254.

    Raises:
        ValueError: The threshold is outside [0, 1).

    Example:
        >>> threshold_level(np.array([[10, 200]], np.uint8), 0.25)
        50
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold}: expected a value in [0, 1)")
    return int(threshold * int(grey.max()))


def otsu_level(grey: NDArray[np.uint8]) -> int:
    """Otsu's level: the split of the histogram that separates its halves best.

    Args:
        grey: (H, W) uint8.

    Returns:
        Level for the mask ``grey > level``; 0 for a constant map.

    Example:
        >>> otsu_level(np.array([[10, 12, 200, 210]], np.uint8))
        12
    """
    if grey.min() == grey.max():
        return 0
    return int(threshold_otsu(grey))


def mean_level(score_map: NDArray[np.float64], threshold: float = 0.0) -> int:
    """NL-CCAM's mean rule: cut low values to 0, then ask for more than the mean of what is left.

    With threshold 0 this is the mean of the map. The rule is stated on real values; its cut is
    rounded down to a grey level here, as every map of this library is.

    Args:
        score_map: (H, W) float64 in [0, 1].
        threshold: Values up to this share of the maximum are set to 0 first; in [0, 1).

    Returns:
        Level for the mask ``to_grey(score_map) > level``.

    Source: Yang et al., WACV 2020 (NL-CCAM), as its released code does it.

    Example:
        >>> mean_level(np.array([[0.0, 0.2, 1.0, 0.0]])), mean_level(np.array([[0.0, 1.0]]))
        (76, 127)
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold}: expected a value in [0, 1)")
    cut = threshold * float(score_map.max())
    kept = np.where(score_map > cut, score_map, 0.0)
    return int(255 * max(cut, float(kept.mean())))


def two_threshold_box(
    score_map: NDArray[np.floating], *, size: tuple[int, int], threshold: float = 0.0
) -> NDArray[np.float64]:
    """The one box of NL-CCAM, CI-CAM and KG-CI-CAM, as their released code cuts it.

    The map, its minimum subtracted, is upsampled bilinearly to the frame; values up to
    ``threshold`` times the maximum become 0; what exceeds the mean of the result is foreground
    (with threshold 0 the cut is the mean of the map, not its minimum). Of the 4-connected
    components the one with the largest bounding box, not the most pixels, gives the box. Real
    values are compared, not grey levels.

    Args:
        score_map: (h, w) raw map, any floating dtype.
        size: (width, height) of the frame in pixels.
        threshold: The papers' theta, in [0, 1).

    Returns:
        (1, 4) float64 x0, y0, x1, y1, exclusive end; (0, 4) for a constant map or one with a NaN.

    Raises:
        ValueError: The threshold is outside [0, 1), or the map is not a picture.

    Example:
        >>> score_map = np.array([[3.0, 0.0, 1.0], [0.0, 0.0, 1.0], [2.0, 0.0, 1.0]])
        >>> two_threshold_box(score_map, size=(3, 3)).tolist()
        [[2.0, 0.0, 3.0, 3.0]]
        >>> two_threshold_box(score_map, size=(3, 3), threshold=0.5).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold}: expected a value in [0, 1)")
    values = np.asarray(score_map, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected one map of shape (h, w), got shape {values.shape}")
    lifted = cv2.resize(values - values.min(), tuple(size), interpolation=cv2.INTER_LINEAR)
    kept = np.where(lifted > threshold * lifted.max(), lifted, 0.0)
    foreground = (kept > kept.mean()).astype(np.uint8)
    _, _, components, _ = cv2.connectedComponentsWithStats(foreground, connectivity=4)
    components = components[1:, : cv2.CC_STAT_AREA].astype(np.float64)
    if not len(components):
        return np.zeros((0, 4))
    x, y, width, height = components[(components[:, 2] * components[:, 3]).argmax()]
    return np.array([[x, y, x + width, y + height]])


def rule_level(
    score_map: NDArray[np.float64], grey: NDArray[np.uint8], rule: str, threshold: float = 0.0
) -> int:
    """Grey level of the mask ``grey > level`` by a rule.

    Args:
        score_map: (H, W) float64 in [0, 1].
        grey: (H, W) uint8, its grey levels.
        rule: ``fixed``, ``otsu`` or ``mean``.
        threshold: Of ``fixed`` and ``mean``; must be 0 for ``otsu``.

    Returns:
        Level in 0..254.

    Raises:
        ValueError: An unknown rule, or a threshold out of range.

    Example:
        >>> score_map = np.array([[0.0, 0.2, 1.0, 0.0]])
        >>> rule_level(score_map, to_grey(score_map), "fixed", 0.5)
        127
    """
    if rule == "fixed":
        return threshold_level(grey, threshold)
    if rule == "mean":
        return mean_level(score_map, threshold)
    if rule != "otsu":
        raise ValueError(f"rule={rule!r}: expected 'fixed', 'otsu', 'mean' or 'two_thresholds'")
    if threshold:
        raise ValueError(f"threshold={threshold}: rule='otsu' takes none")
    return otsu_level(grey)


def map_to_boxes(
    score_map: NDArray[np.floating],
    *,
    size: tuple[int, int],
    normalization: Normalization = "minmax",
    percentile: float | None = None,
    rule: Rule = "fixed",
    threshold: float = 0.0,
    which: Literal["largest", "all"] = "largest",
) -> NDArray[np.float64]:
    """Boxes of one raw score map.

    The map is upsampled to the frame, normalised, cut to 256 grey levels and thresholded: the
    same steps as in evaluation.

    Args:
        score_map: (h, w) raw map, any floating dtype.
        size: (width, height) of the frame in pixels.
        normalization: ``minmax``, ``max``, ``pas`` or ``ivr``.
        percentile: Of the methods that need one.
        rule: ``fixed`` (a share of the maximum), ``otsu``, ``mean`` (NL-CCAM's, on grey levels) or
            ``two_thresholds`` (:func:`two_threshold_box`, which upsamples by itself, has no
            normalisation and gives one box).
        threshold: Of the rules ``fixed``, ``mean`` and ``two_thresholds``; must be 0 for ``otsu``.
        which: Only the largest component, or all of them.

    Returns:
        (m, 4) float64 x0, y0, x1, y1 in the frame, exclusive end; m = 0 for a constant map.

    Raises:
        ValueError: An unknown rule, choice or normalisation, or a threshold out of range.

    Examples:
        >>> score_map = np.zeros((4, 4), np.float32)
        >>> score_map[1:3, 2:] = 1
        >>> map_to_boxes(score_map, size=(4, 4), threshold=0.5).tolist()
        [[2.0, 1.0, 4.0, 3.0]]
        >>> map_to_boxes(np.ones((4, 4)), size=(4, 4)).shape
        (0, 4)
    """
    if which not in ("largest", "all"):
        raise ValueError(f"which={which!r}: expected 'largest' or 'all'")
    width, height = size
    if rule == "two_thresholds":
        if normalization != "minmax" or which != "largest":
            raise ValueError(
                "rule='two_thresholds' needs normalization='minmax' and which='largest', got "
                f"{normalization!r} and {which!r}"
            )
        return two_threshold_box(score_map, size=size, threshold=threshold)
    normalized = normalize_map(
        upsample_map(score_map, (width, height)), normalization, percentile=percentile
    )
    grey = to_grey(normalized)
    level = rule_level(normalized, grey, rule, threshold)
    return component_boxes(grey, level, largest=which == "largest").astype(np.float64)


def _boxes(name: str, boxes: ArrayLike) -> NDArray[np.float64]:
    """(n, 4) float64, refused when a box is not finite or inside out."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{name}: expected boxes of shape (n, 4), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite boxes, got {array.tolist()}")
    if (array[:, 2:] < array[:, :2]).any():
        bad = array[(array[:, 2:] < array[:, :2]).any(axis=1)][0].tolist()
        raise ValueError(f"{name}: box {bad} ends before it starts")
    return array
