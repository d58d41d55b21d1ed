"""From the maps of an exported file to boxes, with numpy alone.

Copy this one file beside ``model.onnx`` (of ``tools/deploy/export.py``); nothing else of the
package, no torch and no OpenCV is needed where it runs::

    import json, numpy, onnxruntime
    from deploy_boxes import boxes_of_map, to_image

    session = onnxruntime.InferenceSession("model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    rule, size = json.loads(about["wsol_mm.rule"]), json.loads(about["wsol_mm.input"])["size"]
    scores, classes, maps = session.run(None, {"images": images, "labels": labels})
    boxes = to_image(boxes_of_map(maps[0, 0], size, rule), size, (photo_width, photo_height))

Boxes are those of :class:`wsol_mm.functional.box_rule.BoxRule`, pixel by pixel: arithmetic has the
precision and the order that OpenCV's has there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def boxes_of_map(
    score_map: NDArray[np.floating], size: Sequence[int], rule: Mapping[str, Any]
) -> Floats:
    """Boxes of one raw map.

    Args:
        score_map: (h, w), as the file gives it.
        size: (width, height) of the file's input.
        rule: ``threshold`` (a share of the maximum, ``otsu`` or ``mean``), ``normalization``
            (``minmax``, ``max``, ``pas``, ``ivr``), ``percentile`` of the last two, ``components``
            (``largest``, ``all``, ``two_thresholds``); the file's metadata, or one's own.

    Returns:
        (n, 4) float64 x0, y0, x1, y1 in pixels of the input, exclusive end, in raster order; n = 0
        for a map without contrast, or with values that are not finite.

    Raises:
        ValueError: A word that the rule does not have here.

    Example:
        >>> rule = dict(threshold=0.5, normalization="minmax", components="all")
        >>> boxes_of_map(np.array([[0.8, 0, 0], [0, 0, 0], [0, 0, 1]]), (3, 3), rule).tolist()
        [[0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]]
    """
    values = np.asarray(score_map, dtype=np.float64)
    width, height = (int(side) for side in size)
    if not np.isfinite(values).all():
        return np.zeros((0, 4))
    components, threshold = rule.get("components", "largest"), rule["threshold"]
    if components == "two_thresholds":
        lifted = _resize(values - values.min(), (width, height), _linear)
        kept = np.where(lifted > threshold * lifted.max(), lifted, 0.0)
        boxes = _boxes(_label(kept > kept.mean(), reach=0))
        spans = boxes[:, 2:] - boxes[:, :2]
        return boxes[[(spans[:, 0] * spans[:, 1]).argmax()]] if len(boxes) else boxes
    lifted = _resize(values, (width, height), _cubic)
    values01 = _normalize(lifted, rule.get("normalization", "minmax"), rule.get("percentile"))
    grey = (values01 * 255).astype(np.uint8)
    if threshold == "otsu":
        level = _otsu(grey)
    elif threshold == "mean":
        level = int(255 * float(values01.mean()))
    else:
        level = int(float(threshold) * int(grey.max()))
    mask = grey > level
    if components == "all":
        return _boxes(_label(mask, reach=1))
    if components != "largest":
        raise ValueError(f"components={components!r}: expected largest, all or two_thresholds")
    return _largest(mask)


def to_image(boxes: Floats, size: Sequence[int], image_size: Sequence[int]) -> Floats:
    """Boxes of an input to which the whole image was squashed, in the image.

    Args:
        boxes: (n, 4) of :func:`boxes_of_map`, or of a file that gives boxes.
        size: (width, height) of the input.
        image_size: (width, height) of the image.

    Example:
        >>> to_image(np.array([[0, 0, 112, 56.0]]), (224, 224), (640, 480)).tolist()
        [[0.0, 0.0, 320.0, 120.0]]
    """
    return boxes * np.tile(np.divide(image_size, size), 2)


def _resize(
    values: Floats, size: tuple[int, int], kernel: Callable[[int, int], tuple[Any, Floats]]
) -> Floats:
    """Rows, then columns, at ``size`` (width, height): half-pixel centres, edges repeated."""
    if values.shape[::-1] == size:
        return values
    for axis in (1, 0):
        places, weights = kernel(values.shape[axis], size[1 - axis])  # (new, taps) each
        taken = np.moveaxis(values, axis, 1)
        total = taken[:, places[:, 0]] * weights[:, 0]
        for tap in range(1, places.shape[1]):
            total = total + taken[:, places[:, tap]] * weights[:, tap]
        values = np.moveaxis(total, 1, axis)
    return values


def _positions(old: int, new: int, dtype: type[np.floating]) -> tuple[NDArray[np.int64], Any]:
    """The old pixel before each new one's centre, and how far behind it the centre lies."""
    scale = 1.0 / (new / old)
    exact = ((np.arange(new) + 0.5) * scale - 0.5).astype(dtype)
    before = np.floor(exact)
    return before.astype(np.int64), exact - before


def _cubic(old: int, new: int) -> tuple[NDArray[np.int64], Floats]:
    before, x = _positions(old, new, np.float32)  # OpenCV's weights have single precision here
    one, a = np.float32(1), np.float32(-0.75)
    near = [((a + 2) * t - (a + 3)) * t * t + one for t in (x, one - x)]
    first = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    weights = np.stack([first, *near, one - first - near[0] - near[1]], axis=1)
    return (before[:, None] + np.arange(-1, 3)).clip(0, old - 1), weights.astype(np.float64)


def _linear(old: int, new: int) -> tuple[NDArray[np.int64], Floats]:
    before, x = _positions(old, new, np.float64)  # and double precision here
    return (before[:, None] + np.arange(2)).clip(0, old - 1), np.stack([1 - x, x], axis=1)


def _normalize(values: Floats, method: str, percentile: float | None) -> Floats:
    """A map in [0, 1]; see ``wsol_mm.functional.cam.normalize_map``."""
    if method not in ("minmax", "max", "pas", "ivr"):
        raise ValueError(f"normalization={method!r}: expected minmax, max, pas or ivr")
    low = float(values.min())
    if low == values.max():
        return np.zeros_like(values)
    if method == "ivr":
        low = float(np.percentile(values, percentile))
    lifted = values - (0.0 if method == "max" else low)
    top = float(np.percentile(lifted, percentile) if method == "pas" else lifted.max())
    if top <= 0:
        return (lifted > 0).astype(np.float64)
    return np.clip(lifted / top, 0.0, 1.0)


def _otsu(grey: NDArray[np.uint8]) -> int:
    """The level that parts the histogram into halves whose means lie farthest apart, weighted."""
    low, high = int(grey.min()), int(grey.max())
    if low == high:
        return 0
    counts = np.bincount(grey.ravel(), minlength=256)[low : high + 1].astype(np.float32)
    levels = np.arange(low, high + 1)
    below, above = counts.cumsum(), counts[::-1].cumsum()[::-1]
    mean_below = (counts * levels).cumsum() / below
    mean_above = ((counts * levels)[::-1].cumsum() / above[::-1])[::-1]
    spread = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return int(levels[spread.argmax()])


def _label(mask: NDArray[np.bool_], reach: int) -> NDArray[np.int64]:
    """Components numbered from 1 in raster order of their first pixels, 0 elsewhere.

    Args:
        mask: (H, W).
        reach: 1 joins diagonal neighbours, too (8-connected); 0 does not (4-connected).
    """
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    begin, end = starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        above, stop = first[row - 1], first[row]
        for run in range(first[row], first[row + 1]):
            while above < stop and end[above] + reach <= begin[run]:
                above += 1
            other = above
            while other < stop and begin[other] < end[run] + reach:
                one, two = root(other), root(run)
                parent[max(one, two)] = min(one, two)
                other += 1
    number = np.unique([root(run) for run in parent], return_inverse=True)[1] + 1
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.repeat(number, ends - starts)
    return labels


def _boxes(labels: NDArray[np.int64]) -> Floats:
    """Extent of each component, (n, 4)."""
    y, x = np.nonzero(labels)
    index, count = labels[y, x] - 1, int(labels.max(initial=0))
    low, high = np.full((count, 2), np.iinfo(np.int64).max), np.zeros((count, 2), np.int64)
    places = np.stack([x, y], axis=1)
    np.minimum.at(low, index, places)
    np.maximum.at(high, index, places + 1)
    return np.concatenate([low, high], axis=1).astype(np.float64)


def _largest(mask: NDArray[np.bool_]) -> Floats:
    """Box of the component whose contour encloses most; of equal ones that which starts last.

    The contour runs through the centres of a component's outer pixels, whose holes it ignores. Its
    area is a sum over blocks of 2 x 2 pixels: 1 for four of them, 1/2 for three.
    """
    outside = _label(np.pad(~mask, 1, constant_values=True), reach=0)
    filled = (outside != 1)[1:-1, 1:-1]  # the frame's component comes first
    labels = _label(filled, reach=1)
    boxes = _boxes(labels)
    if not len(boxes):
        return boxes
    corners = np.stack([labels[:-1, :-1], labels[:-1, 1:], labels[1:, :-1], labels[1:, 1:]])
    halves = (corners > 0).sum(axis=0) - 2  # 1 or 2 where there is area
    owner = corners.max(axis=0)
    some = halves > 0
    areas = np.bincount(owner[some] - 1, weights=halves[some], minlength=len(boxes))
    return boxes[[len(boxes) - 1 - int(areas[::-1].argmax())]]
