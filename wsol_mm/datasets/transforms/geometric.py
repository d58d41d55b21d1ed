"""Geometric transforms that keep the way back to the original image.

Each one composes its 3x3 matrix into ``results['homography_matrix']`` (original frame to input
frame, float64), the key mmdet's own transforms use. Boxes are not moved: ground truth stays in the
original frame, so annotations are loaded *behind* these transforms. A pipeline that loads boxes
earlier is refused rather than left with boxes of another frame.
"""

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms import Pad as _Pad
from mmcv.transforms import RandomFlip as _RandomFlip
from mmcv.transforms import Resize as _Resize
from mmcv.transforms.utils import cache_randomness
from numpy.typing import NDArray

from wsol_mm.registry import TRANSFORMS


def compose(results: dict, matrix: NDArray[np.float64], transform: object) -> None:
    """Put ``matrix`` behind the recorded homography and note the size it leads to."""
    if "gt_bboxes" in results:
        raise ValueError(
            f"{type(transform).__name__} does not move gt_bboxes: load annotations behind the "
            "geometric transforms (evaluation), or use mmdet's transforms (training)"
        )
    results["homography_matrix"] = matrix @ results.get("homography_matrix", np.eye(3))
    results["tracked_shape"] = results["img"].shape[:2]


def translation(x: float, y: float) -> NDArray[np.float64]:
    """3x3 matrix that moves points by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


@TRANSFORMS.register_module()
class Resize(_Resize):
    """``mmcv.Resize`` that records its scale.

    Args:
        scale, keep_ratio, interpolation, ...: as in ``mmcv.transforms.Resize``.
    """

    def transform(self, results: dict) -> dict:
        """Resize ``results['img']``."""
        height, width = results["img"].shape[:2]
        results = super().transform(results)
        new_height, new_width = results["img"].shape[:2]
        compose(results, np.diag([new_width / width, new_height / height, 1.0]), self)
        return results


@TRANSFORMS.register_module()
class RandomFlip(_RandomFlip):
    """``mmcv.RandomFlip`` that records the flip.

    Args:
        prob, direction, ...: as in ``mmcv.transforms.RandomFlip``.
    """

    def transform(self, results: dict) -> dict:
        """Flip ``results['img']`` with the given probability."""
        results = super().transform(results)
        matrix = np.eye(3)
        if results["flip"]:
            height, width = results["img"].shape[:2]
            if results["flip_direction"] in ("horizontal", "diagonal"):
                matrix[0] = (-1, 0, width)
            if results["flip_direction"] in ("vertical", "diagonal"):
                matrix[1] = (0, -1, height)
        compose(results, matrix, self)
        return results


@TRANSFORMS.register_module()
class Pad(_Pad):
    """``mmcv.Pad`` that records itself: it adds rows below and columns on the right.

    The input frame grows, no coordinate moves.

    Args:
        size, size_divisor, pad_val, ...: as in ``mmcv.transforms.Pad``.
    """

    def transform(self, results: dict) -> dict:
        """Pad ``results['img']``."""
        results = super().transform(results)
        compose(results, np.eye(3), self)
        return results


@TRANSFORMS.register_module()
class CenterCrop(BaseTransform):
    """Crop the centre of the image and record where it was.

    Args:
        crop_size: Width and height of the crop in pixels, or one number for both.

    Raises:
        ValueError: When the image is smaller than the crop.
    """

    def __init__(self, crop_size: int | tuple[int, int]) -> None:
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size

    def offset(self, free_x: int, free_y: int) -> tuple[int, int]:
        """Left and top edge of the crop, given the pixels left over in each direction."""
        return free_x // 2, free_y // 2

    def transform(self, results: dict) -> dict:
        """Crop ``results['img']``."""
        height, width = results["img"].shape[:2]
        crop_width, crop_height = self.crop_size
        if crop_width > width or crop_height > height:
            raise ValueError(
                f"{type(self).__name__}: crop {crop_width}x{crop_height} is larger than the image "
                f"{width}x{height} ({results.get('img_path')}): resize before cropping"
            )
        x, y = self.offset(width - crop_width, height - crop_height)
        box = np.array([x, y, x + crop_width - 1, y + crop_height - 1])
        results["img"] = mmcv.imcrop(results["img"], box)
        results["img_shape"] = results["img"].shape[:2]
        compose(results, translation(-x, -y), self)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(crop_size={self.crop_size})"


@TRANSFORMS.register_module()
class RandomCrop(CenterCrop):
    """Crop at a random place and record it.

    Args:
        crop_size: Width and height of the crop in pixels, or one number for both.
    """

    @cache_randomness
    def offset(self, free_x: int, free_y: int) -> tuple[int, int]:
        """Left and top edge of the crop, uniform over all places that fit."""
        return int(np.random.randint(free_x + 1)), int(np.random.randint(free_y + 1))
