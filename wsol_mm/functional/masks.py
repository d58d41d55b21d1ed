"""Masks of a grey image's components, in its own frame and in the original image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol_mm.functional.component_tree import component_boxes

__all__ = ["component_masks", "to_original_mask"]


def component_masks(
    grey: NDArray[np.uint8], level: int, *, largest: bool
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The components of ``grey > level`` as masks, with the boxes of ``component_boxes``.

    Args:
        grey: (H, W) uint8.
        level: Grey level, 0 to 255.
        largest: Only the component with the largest contour; otherwise all 8-connected ones.

    Returns:
        (n, H, W) bool and (n, 4) int64 boxes x0, y0, x1, y1, exclusive end; n = 0 for an empty
        mask.

    Examples:
        >>> masks, boxes = component_masks(np.array([[0, 9, 0, 9, 9]], np.uint8), 4, largest=False)
        >>> masks[:, 0].astype(int).tolist(), boxes.tolist()
        ([[0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], [[1, 0, 2, 1], [3, 0, 5, 1]])
    """
    boxes = component_boxes(grey, level, largest=largest)
    if not len(boxes):
        return np.zeros((0, *grey.shape), np.bool_), boxes
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
    return np.stack(masks), boxes


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
