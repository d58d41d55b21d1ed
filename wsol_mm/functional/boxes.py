"""How much boxes overlap, and the thresholds that turn a map into them."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.filters import threshold_otsu


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


def mean_level(score_map: NDArray[np.float64]) -> int:
    """The mean of a map as a threshold, rounded down to a grey level.

    Args:
        score_map: (H, W) float64 in [0, 1].

    Returns:
        Level for the mask ``to_grey(score_map) > level``.

    Example:
        >>> mean_level(np.array([[0.0, 0.2, 1.0, 0.0]])), mean_level(np.array([[0.0, 1.0]]))
        (76, 127)
    """
    return int(255 * float(score_map.mean()))


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
        threshold: The papers' theta: a share of the maximum, in [0, 1).

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
