"""The evaluation protocol by brute force: the contours of one mask after another, with OpenCV.

Plain on purpose, but no straw man: tests and benchmarks hold the component tree against it. Every
mask's contours are traced once, and the IoU of many masks' boxes is one vectorised expression.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
Rect = tuple[int, int, int, int]

_BLOCK = 20_000  # boxes whose IoU is computed at a time


def contour_boxes(mask: Grey, *, largest: bool, plus_one: bool = True) -> Floats:
    """Boxes of the contours of a mask, under the reference evaluator's rules.

    Args:
        mask: (H, W) uint8, 0 or 1.
        largest: only the contour of the largest polygon area; otherwise all, inner ones included.
        plus_one: clip x1, y1 to W - 1, H - 1 as the reference does; False leaves exclusive ends.

    Returns:
        (m, 4) float64 boxes x0, y0, x1, y1; one box (0, 0, 0, 0) for an empty mask.

    >>> contour_boxes(np.eye(3, dtype=np.uint8), largest=False).tolist()
    [[0.0, 0.0, 2.0, 2.0]]
    """
    return _as_boxes(_rects(mask, largest), mask.shape if plus_one else None)


def best_iou(boxes: Floats, gt: Floats, *, plus_one: bool = True) -> float:
    """Best IoU of any box (m, 4) with any ground-truth box (n, 4).

    >>> best_iou(np.array([[1.0, 2, 5, 6]]), np.array([[3.0, 1, 4, 5]])) == 8 / 27
    True
    """
    return float(_iou(boxes, gt, plus_one).max())


def sweep_thresholds(
    grey: Grey, gt: Floats, thresholds: Floats, *, largest: bool, plus_one: bool = True
) -> Floats:
    """Best IoU at every threshold, one contour search each; the plain sweep.

    >>> grey = np.array([[0, 9, 9], [0, 9, 9]], np.uint8)
    >>> sweep_thresholds(grey, np.array([[1.0, 0, 2, 1]]), np.array([0.0, 0.5]), largest=True)
    array([1., 1.])
    """
    levels = (np.asarray(thresholds) * int(grey.max())).astype(int)
    return _sweep(grey, gt, levels.tolist(), largest, plus_one)


def sweep_levels(grey: Grey, gt: Floats, *, largest: bool, plus_one: bool = True) -> Floats:
    """Best IoU at each of the 256 levels, one contour search for each distinct mask.

    >>> grey = np.array([[0, 9, 9], [0, 9, 9]], np.uint8)
    >>> curve = sweep_levels(grey, np.array([[1.0, 0, 2, 1]]), largest=False)
    >>> curve[0], curve[8], curve[9]
    (np.float64(1.0), np.float64(1.0), np.float64(0.0))
    """
    distinct = np.bincount(grey.ravel(), minlength=256) > 0
    distinct[0] = True
    curve = _sweep(grey, gt, np.flatnonzero(distinct).tolist(), largest, plus_one)
    return curve[np.cumsum(distinct) - 1]


def _sweep(grey: Grey, gt: Floats, levels: Iterable[int], largest: bool, plus_one: bool) -> Floats:
    """Best IoU of the mask above each level."""
    shape = grey.shape if plus_one else None
    curve: list[Floats] = []
    rects: list[Rect] = []
    starts: list[int] = []
    for level in levels:
        mask = cv2.threshold(grey, level, 1, cv2.THRESH_BINARY)[1]
        starts.append(len(rects))
        rects += _rects(mask, largest)
        if len(rects) > _BLOCK:
            best = _iou(_as_boxes(rects, shape), gt, plus_one).max(axis=1)
            curve.append(np.maximum.reduceat(best, starts))
            rects, starts = [], []
    if rects:
        best = _iou(_as_boxes(rects, shape), gt, plus_one).max(axis=1)
        curve.append(np.maximum.reduceat(best, starts))
    return np.concatenate(curve)


def _rects(mask: Grey, largest: bool) -> list[Rect]:
    """x, y, width, height of the contours; an empty mask has (0, 0, 0, 0)."""
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return [(0, 0, 0, 0)]
    if largest:
        contours = [max(contours, key=cv2.contourArea)]
    return [cv2.boundingRect(contour) for contour in contours]


def _as_boxes(rects: list[Rect], shape: tuple[int, ...] | None) -> Floats:
    """(m, 4) float64 x0, y0, x1, y1, the ends clipped to the last pixel of a map of ``shape``."""
    boxes = np.array(rects, np.float64)
    boxes[:, 2:] += boxes[:, :2]
    if shape is not None:
        np.minimum(boxes[:, 2:], (shape[1] - 1, shape[0] - 1), out=boxes[:, 2:])
    return boxes


def _iou(boxes: Floats, gt: Floats, plus_one: bool) -> Floats:
    """(m, n) IoU of all pairs; 0 where the union has no area."""
    one = 1.0 if plus_one else 0.0
    a, b = boxes.T[:, :, None], gt.T[:, None, :]
    w = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]) + one
    h = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]) + one
    inter = np.maximum(w, 0.0) * np.maximum(h, 0.0)
    areas = (a[2] - a[0] + one) * (a[3] - a[1] + one) + (b[2] - b[0] + one) * (b[3] - b[1] + one)
    union = areas - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
