"""What refiners do to a map, step by step: Figures 3 and 4 of LCAR, Pan et al., AAAI 2023."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.arm import ARMSettings, refine_maps
from wsol_mm.functional.sgrm import SGRMSettings, repredict
from wsol_mm.functional.sgrm_labels import IGNORE, image_labels
from wsol_mm.visualization.drawing import overlay_map

Picture = NDArray[np.uint8]

FOREGROUND, BACKGROUND, UNKNOWN = (60, 60, 220), (200, 120, 40), (190, 190, 190)


def arm_by_iteration(
    score_map: NDArray[np.floating],
    image: Picture,
    settings: ARMSettings,
    iterations: Sequence[int],
) -> list[Picture]:
    """ARM's map after some numbers of iterations, over the image.

    Args:
        score_map: (h, w) raw map.
        image: (H, W, 3) uint8, BGR.
        settings: Their own number of iterations is not used.
        iterations: Numbers of iterations; 0 is the map without ARM.

    Returns:
        (H, W, 3) uint8, BGR, one for each.
    """
    colours = np.ascontiguousarray(image[..., ::-1])
    maps = (
        refine_maps(score_map[None], colours, replace(settings, iterations=count))[0]
        for count in iterations
    )
    return [overlay_map(image, one.astype(np.float64)) for one in maps]


def paint_labels(labels: NDArray[np.uint8], segments: NDArray[np.int64] | None = None) -> Picture:
    """Labels of pixels as colours: red is the object, blue the background, grey unknown.

    Args:
        labels: (H, W) of 0, 1 and 255.
        segments: (H, W) superpixels, whose borders are drawn in white.

    Examples:
        >>> paint_labels(np.array([[0, 1, 255]], np.uint8))[0].tolist()
        [[200, 120, 40], [60, 60, 220], [190, 190, 190]]
    """
    picture = np.empty((*labels.shape, 3), np.uint8)
    for value, colour in ((0, BACKGROUND), (1, FOREGROUND), (IGNORE, UNKNOWN)):
        picture[labels == value] = colour
    if segments is not None:
        border = np.zeros(labels.shape, bool)
        border[:, 1:] |= segments[:, 1:] != segments[:, :-1]
        border[1:] |= segments[1:] != segments[:-1]
        picture[border] = 255
    return picture


def sgrm_by_iteration(
    score_map: NDArray[np.floating],
    image: Picture,
    settings: SGRMSettings,
    iterations: Sequence[int],
) -> list[Picture]:
    """What SGRM learns, and what it predicts on the way.

    Args:
        score_map: (h, w) raw map.
        image: (H, W, 3) uint8, BGR.
        settings: Of the run; each image is followed until it stops.
        iterations: Forward passes after which the prediction is shown; what has stopped before
            shows its last one.

    Returns:
        (H, W, 3) uint8, BGR: labels of pixels, labels of superpixels, the predictions, the mask.
    """
    colours = np.ascontiguousarray(image[..., ::-1])
    labels = image_labels(score_map, colours, settings)
    limits = [min(count, settings.max_iterations) for count in iterations]
    results = [
        repredict(score_map, colours, replace(settings, max_iterations=limit))
        for limit in [*limits, settings.max_iterations]
    ]
    return [
        paint_labels(labels.pixels),
        paint_labels(labels.superpixels, labels.segments),
        *(paint_labels(result.mask.astype(np.uint8)) for result in results),
    ]


def outline(image: Picture, mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> Picture:
    """The image with the border of a mask (H, W) drawn on a copy."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(image.copy(), contours, -1, colour, 1)
