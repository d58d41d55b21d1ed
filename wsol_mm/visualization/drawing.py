"""Draw score maps and boxes on an image."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol_mm.functional.box_rule import ORACLE, BoxRule

GROUND_TRUTH = (40, 200, 40)
PREDICTION = (40, 40, 230)


def overlay_map(
    image: NDArray[np.uint8], score_map: NDArray[np.float64], alpha: float = 0.5
) -> NDArray[np.uint8]:
    """Blend a score map over an image as a heat map.

    Args:
        image: (H, W, 3) uint8, BGR.
        score_map: (h, w), already normalised to [0, 1]; resized to the image.
        alpha: Weight of the heat map.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    height, width = image.shape[:2]
    resized = cv2.resize(np.asarray(score_map, np.float32), (width, height))
    heat = cv2.applyColorMap((resized.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_JET)
    return cv2.addWeighted(heat, alpha, image, 1 - alpha, 0)


def overlay_in_frame(
    image: NDArray[np.uint8],
    score_map: NDArray[np.float64],
    img_shape: tuple[int, int],
    matrix: ArrayLike,
    rule: BoxRule = ORACLE,
) -> NDArray[np.uint8]:
    """Blend a network's raw map over the original image, where its input was taken from.

    Args:
        image: (H, W, 3) uint8, BGR, the original.
        score_map: (h, w), raw, covering the network's input.
        img_shape: (height, width) of that input.
        matrix: (3, 3) ``homography_matrix``, original to input frame.
        rule: How the map is normalised; its threshold does not enter.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    height, width = img_shape
    values = rule.frame(score_map, (width, height)).values
    inverse = np.linalg.inv(np.asarray(matrix, float))
    return overlay_map(image, cv2.warpPerspective(values, inverse, image.shape[1::-1]))


def draw_boxes(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    colour: tuple[int, int, int],
    scores: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Draw boxes on a copy of an image.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 4) xyxy in the image's frame, exclusive end.
        colour: BGR.
        scores: (n,) written beside the boxes, if given.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    image = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 200))
    for index, (x0, y0, x1, y1) in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
        first, last = (round(x0), round(y0)), (round(x1) - 1, round(y1) - 1)
        cv2.rectangle(image, first, last, colour, thickness)
        if scores is not None:
            cv2.putText(
                image,
                f"{scores[index]:.2f}",
                (first[0] + 2, first[1] + 12),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.4,
                colour,
                1,
                cv2.LINE_AA,
            )
    return image


def image_grid(
    rows: list[list[NDArray[np.uint8]]], titles: list[str], cell: int = 192, gap: int = 6
) -> NDArray[np.uint8]:
    """Arrange pictures in a labelled grid on white.

    Args:
        rows: Pictures (H, W, 3) uint8, BGR, one list per row, all rows equally long; each is
            fitted into a square cell with its aspect kept.
        titles: One heading per column.
        cell: Side of a cell in pixels.
        gap: Space between cells in pixels.

    Returns:
        The grid, (H, W, 3) uint8, BGR.
    """
    header = 24
    columns = len(titles)
    canvas = np.full(
        (header + len(rows) * (cell + gap), columns * (cell + gap) + gap, 3), 255, np.uint8
    )
    for column, title in enumerate(titles):
        place = (gap + column * (cell + gap), 17)
        cv2.putText(canvas, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            scale = cell / max(picture.shape[:2])
            size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
            fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            y, x = header + row * (cell + gap), gap + column * (cell + gap)
            canvas[y : y + size[1], x : x + size[0]] = fitted
    return canvas
