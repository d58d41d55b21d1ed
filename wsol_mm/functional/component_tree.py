"""Best box IoU at every grey level of a score map, exact, without tracing contours.

The evaluation protocol of "Evaluating Weakly Supervised Object Localization Methods Right"
(Choe et al., CVPR 2020) takes the contours of ``grey > level`` for up to 1000 thresholds. Contours
need not be traced for that. The box of an outer contour is the box of an 8-connected foreground
component; the box of an inner contour is the box of a hole (a 4-connected background component
away from the frame) grown by one pixel. Components only grow and merge as the level falls, holes
as it rises, so a union-find over the pixels in grey order meets every box of every level once
(:mod:`wsol_mm.functional.component_passes`).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.component_passes import iou_curves

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]


def _check_grey(grey: Grey) -> None:
    if not isinstance(grey, np.ndarray) or grey.dtype != np.uint8:
        kind = grey.dtype if isinstance(grey, np.ndarray) else type(grey).__name__
        raise TypeError(
            f"grey: expected a uint8 array, got {kind}; wsol_mm.functional.cam.to_grey makes one"
        )
    if grey.ndim != 2 or grey.size == 0:
        raise ValueError(f"grey: expected shape (H, W) with H, W >= 1, got {grey.shape}")


class LevelCurves(NamedTuple):
    """What a score map gives at every grey level, see :func:`level_curves`.

    Attributes:
        largest: (256,) best IoU of the largest contour's box.
        any: (256,) best IoU of any contour's box.
        boxes: (256, 4) int16 box of the largest contour, x0, y0, x1, y1 with an exclusive end;
            zeros where the mask is empty.
    """

    largest: Floats
    any: Floats
    boxes: NDArray[np.int16]


def best_iou_curves(grey: Grey, gt: Floats, *, plus_one: bool = True) -> tuple[Floats, Floats]:
    """Best IoU with any ground-truth box at every grey level, for two contour rules.

    Entry ``L`` belongs to the mask ``grey > L``; a threshold ``t`` of the evaluation protocol is
    the level ``int(t * grey.max())``. Where the mask is empty the predicted box is (0, 0, 0, 0).
    The result equals, bit for bit, tracing the contours of every mask with OpenCV (tree mode).

    Args:
        grey: (H, W) uint8 score map.
        gt: (n, 4) float64 boxes x0, y0, x1, y1 in pixels of the map, n >= 1.
        plus_one: True for the reference evaluator's convention: predicted x1, y1 lie one past the
            last pixel, clipped to W - 1, H - 1, and every width and height is ``x1 - x0 + 1``.
            False for boxes with an exclusive end and the continuous IoU.

    Returns:
        (256,) float64 each: the contour of the largest area (of equal ones the one that starts
        last in raster order), and the best of all contours, inner ones included.

    Raises:
        TypeError: ``grey`` is not uint8, or ``gt`` is not a float64 array.
        ValueError: wrong shapes, no ground-truth box, a box that is not finite or ends before it
            starts, or a negative coordinate under ``plus_one``.

    Source: the protocol of Choe et al., CVPR 2020 (MaxBoxAcc, MaxBoxAccV2).

    >>> grey = np.zeros((4, 6), np.uint8)
    >>> grey[1:3, 1:4] = 200
    >>> largest, any_contour = best_iou_curves(grey, np.array([[1.0, 1, 4, 3]]))
    >>> float(largest[0]), float(largest[199]), round(float(any_contour[200]), 3)
    (1.0, 1.0, 0.0)
    """
    curves = level_curves(grey, gt, plus_one=plus_one)
    return curves.largest, curves.any


def level_curves(grey: Grey, gt: Floats, *, plus_one: bool = True) -> LevelCurves:
    """:func:`best_iou_curves`, with the boxes of the largest contours from the same pass.

    >>> grey = np.zeros((4, 6), np.uint8)
    >>> grey[1:3, 1:4] = 200
    >>> level_curves(grey, np.array([[1.0, 1, 4, 3]])).boxes[[0, 199, 200]].tolist()
    [[1, 1, 4, 3], [1, 1, 4, 3], [0, 0, 0, 0]]
    """
    _check_grey(grey)
    if not isinstance(gt, np.ndarray) or gt.dtype != np.float64:
        kind = gt.dtype if isinstance(gt, np.ndarray) else type(gt).__name__
        raise TypeError(f"gt: expected a float64 array, got {kind}")
    if gt.ndim != 2 or gt.shape[1] != 4 or gt.shape[0] == 0:
        raise ValueError(f"gt: expected shape (n, 4) with n >= 1, got {gt.shape}")
    sides = gt[:, 2:] - gt[:, :2]
    if not np.isfinite(gt).all() or (sides < 0).any():
        raise ValueError(f"gt: expected finite boxes x0 <= x1, y0 <= y1, got {gt.tolist()}")
    if plus_one and (gt < 0).any():
        raise ValueError(f"gt: negative coordinates under plus_one, clip them: {gt.tolist()}")
    one = 1.0 if plus_one else 0.0
    boxes = np.column_stack([gt, (sides[:, 0] + one) * (sides[:, 1] + one)])
    largest, found = np.zeros(256), np.zeros((256, 4), np.int16)
    best = iou_curves(np.ascontiguousarray(grey), boxes, bool(plus_one), largest, found)
    return LevelCurves(largest, best, found)


def component_boxes(grey: Grey, level: int, *, largest: bool) -> NDArray[np.int64]:
    """Boxes of the components of the mask ``grey > level``; holes have none.

    Args:
        grey: (H, W) uint8 score map.
        level: grey level, 0 to 255.
        largest: only the component whose outer contour encloses the largest area (of equal ones
            the one that starts last in raster order); otherwise all 8-connected components.

    Returns:
        (m, 4) int64 boxes x0, y0, x1, y1 in pixels, exclusive end, in raster order of the
        components' first pixels; m = 0 for an empty mask.

    Raises:
        TypeError: ``grey`` is not uint8.
        ValueError: wrong shape, or a level outside 0..255.

    >>> grey = np.zeros((4, 6), np.uint8)
    >>> grey[1:3, 1:4], grey[3, 5] = 200, 90
    >>> component_boxes(grey, 50, largest=False).tolist()
    [[1, 1, 4, 3], [5, 3, 6, 4]]
    >>> component_boxes(grey, 50, largest=True).tolist()
    [[1, 1, 4, 3]]
    """
    _check_grey(grey)
    if not 0 <= level <= 255:
        raise ValueError(f"level: expected 0 to 255, got {level}")
    mask = (grey > level).astype(np.uint8)
    if largest:
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            return np.zeros((0, 4), np.int64)
        rank = [
            (cv2.contourArea(contour), *min((y, x) for x, y in contour[:, 0].tolist()))
            for contour in contours
        ]
        x, y, w, h = cv2.boundingRect(contours[rank.index(max(rank))])
        return np.array([[x, y, x + w, y + h]], np.int64)
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    _, first = np.unique(label, return_index=True)
    rows = np.argsort(first[label.flat[first] > 0])
    boxes = stats[1:][rows, :4].astype(np.int64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
