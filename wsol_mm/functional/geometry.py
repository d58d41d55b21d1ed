"""Boxes between the original image and the network's input."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def transform_boxes(boxes: ArrayLike, matrix: ArrayLike) -> NDArray[np.float64]:
    """Map axis-aligned boxes by an axis-aligned affine map (scale, shift, flip).

    Args:
        boxes: (n, 4) xyxy.
        matrix: (3, 3), as in ``homography_matrix``.

    Returns:
        (n, 4) float64 xyxy, first corner before second also after a flip.

    Example:
        >>> transform_boxes([[0, 0, 10, 20]], [[-1, 0, 100], [0, 0.5, 0], [0, 0, 1]])
        array([[ 90.,   0., 100.,  10.]])
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2)
    linear = np.asarray(matrix, dtype=np.float64)
    moved = corners * np.diag(linear)[:2] + linear[:2, 2]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)


def inside_boxes(
    boxes: ArrayLike, matrix: ArrayLike, frame: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which cells of a map over the network's input have their centre in a box.

    Args:
        boxes: (n, 4) xyxy in the original image, exclusive end.
        matrix: (3, 3) ``homography_matrix``, original to input frame.
        frame: (height, width) of the input.
        shape: (h, w) of the map.

    Returns:
        (h, w) bool, the union over boxes.

    Example:
        >>> inside_boxes([[0, 0, 13, 10]], np.diag([0.5, 1, 1]), (10, 16), (1, 4)).tolist()
        [[True, True, False, False]]
    """
    y = ((np.arange(shape[0]) + 0.5) * frame[0] / shape[0])[:, None]
    x = ((np.arange(shape[1]) + 0.5) * frame[1] / shape[1])[None]
    inside = np.zeros(shape, dtype=np.bool_)
    for x0, y0, x1, y1 in transform_boxes(boxes, matrix):
        inside |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return inside


def to_original_frame(
    boxes: ArrayLike, matrix: ArrayLike, ori_shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Bring boxes of the input frame back to the original image and clip them to it.

    Args:
        boxes: (n, 4) xyxy in the network's input frame.
        matrix: (3, 3) ``homography_matrix``, original to input frame.
        ori_shape: (height, width) of the original image.

    Returns:
        (n, 4) float64 xyxy, original frame.

    Example:
        >>> crop = [[0.5, 0, -10], [0, 0.5, -10], [0, 0, 1]]
        >>> to_original_frame([[0, 0, 100, 100]], crop, (200, 300))
        array([[ 20.,  20., 220., 200.]])
    """
    moved = transform_boxes(boxes, np.linalg.inv(np.asarray(matrix, dtype=np.float64)))
    height, width = ori_shape
    moved[:, 0::2] = moved[:, 0::2].clip(0, width)
    moved[:, 1::2] = moved[:, 1::2].clip(0, height)
    return moved
