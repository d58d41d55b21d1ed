"""From a score map to the masks of its objects, in its own frame and in the original image."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol_mm.functional.boxes import rule_level
from wsol_mm.functional.cam import normalize_map, to_grey
from wsol_mm.functional.component_tree import component_boxes

__all__ = ["map_to_masks", "to_original_mask"]


def map_to_masks(
    score_map: NDArray[np.floating],
    *,
    rule: Literal["fixed", "otsu", "mean"] = "fixed",
    threshold: float = 0.0,
    which: Literal["largest", "all"] = "largest",
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Objects of a map at full resolution, the ones whose boxes ``map_to_boxes`` gives.

    Args:
        score_map: (H, W), normalised here by min-max.
        rule: ``fixed`` (a share of the maximum), ``otsu`` or ``mean``.
        threshold: Of ``fixed`` and ``mean``.
        which: Only the component with the largest contour, or all 8-connected ones.

    Returns:
        (n, H, W) bool and (n, 4) float64 boxes x0, y0, x1, y1, exclusive end. Where nothing stands
        out (a constant map) the object is the whole image.

    Raises:
        ValueError: An unknown rule or choice, a threshold out of range, or a map with infinities.

    Examples:
        >>> masks, boxes = map_to_masks(np.array([[0.0, 0.2, 0.9, 0.0, 1.0, 0.9]]), threshold=0.5)
        >>> masks[0].astype(int).tolist(), boxes.tolist()
        ([[0, 0, 0, 0, 1, 1]], [[4.0, 0.0, 6.0, 1.0]])
        >>> map_to_masks(np.ones((2, 3)))[1].tolist()
        [[0.0, 0.0, 3.0, 2.0]]
    """
    if which not in ("largest", "all"):
        raise ValueError(f"which={which!r}: expected 'largest' or 'all'")
    normalized = normalize_map(score_map)
    grey = to_grey(normalized)
    level = rule_level(normalized, grey, rule, threshold)
    boxes = component_boxes(grey, level, largest=which == "largest")
    if not len(boxes):
        height, width = grey.shape
        return np.ones((1, height, width), np.bool_), np.array([[0.0, 0.0, width, height]])
    mask = (grey > level).astype(np.uint8)
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    extents = np.asarray(stats[:, :4], dtype=np.int64)
    extents[:, 2:] += extents[:, :2]
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.int64)
    areas[0] = 0  # the background
    masks, taken = [], np.zeros(len(stats), bool)
    for box in boxes:
        # Two components may have one extent, such as a cross and the corners around it.
        same = (extents == box).all(axis=1) & ~taken
        component = int(np.where(same, areas, 0).argmax())
        taken[component] = True
        masks.append(label == component)
    return np.stack(masks), boxes.astype(np.float64)


def to_original_mask(
    mask: NDArray[np.bool_], matrix: ArrayLike, ori_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Bring a mask of the input frame back to the original image, by the nearest pixel.

    Args:
        mask: (h, w) in the network's input frame.
        matrix: (3, 3) ``homography_matrix``, original to input frame; scale and shift only.
        ori_shape: (height, width) of the original image.

    Returns:
        (height, width) bool, False where the network did not look.

    Examples:
        >>> half = [[0.5, 0, -1], [0, 1, 0], [0, 0, 1]]  # columns shrunk, the first two cut off
        >>> to_original_mask(np.array([[True, False]]), half, (1, 6)).astype(int).tolist()
        [[0, 0, 1, 1, 0, 0]]
    """
    affine = np.asarray(matrix, dtype=np.float64)
    rows, columns = (
        np.floor(
            (np.arange(ori_shape[axis]) + 0.5) * affine[1 - axis, 1 - axis] + affine[1 - axis, 2]
        )
        for axis in (0, 1)
    )
    height, width = mask.shape
    seen = np.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    grid = np.ix_(
        rows.clip(0, height - 1).astype(np.int64), columns.clip(0, width - 1).astype(np.int64)
    )
    return np.asarray(mask[grid] & seen)
