"""Masks for evaluation."""

from pathlib import Path

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from wsol_mm.registry import TRANSFORMS

# Width over height of a mask may differ from its image's by rounding, OpenImages' masks being
# stored at another resolution than their images.
ASPECT_TOLERANCE = 0.02


def read_mask(path: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a grey mask file; every non-zero pixel belongs to it.

    Args:
        path: The file.
        shape: (height, width) of the image it belongs to.

    Returns:
        (H, W) bool, at the mask's own resolution.

    Raises:
        FileNotFoundError: When the file is missing.
        ValueError: When it is no image, or has another shape than the image it belongs to.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"mask {path} does not exist: check the masks folder")
    grey = mmcv.imread(path, flag="grayscale")
    if grey is None:
        raise ValueError(f"mask {path} cannot be decoded: fetch the file again")
    height, width = grey.shape
    if abs(width * shape[0] / (height * shape[1]) - 1) > ASPECT_TOLERANCE:
        raise ValueError(
            f"mask {path} is {width}x{height} but its image is {shape[1]}x{shape[0]}: masks must "
            "have the shape of the original image"
        )
    return grey > 0


@TRANSFORMS.register_module()
class LoadMasks(BaseTransform):
    """Read ``mask_paths`` and ``ignore_path`` into ``gt_mask`` and ``ignore_mask``.

    Instances are joined by OR; a pixel of any instance is never ignored. Items without
    ``mask_paths`` pass through unchanged, so one pipeline serves data sets with and without masks.
    Both masks are (H, W) bool and cover the whole original image, at the masks' own resolution.

    Raises:
        ValueError: When the masks of an image differ in size.
    """

    def transform(self, results: dict) -> dict:
        """Add ``gt_mask`` and ``ignore_mask`` where the data set has masks."""
        paths = results.get("mask_paths")
        if not paths:
            return results
        ignore = results.get("ignore_path")
        masks = [
            read_mask(path, results["ori_shape"]) for path in (*paths, *filter(None, [ignore]))
        ]
        sizes = {mask.shape for mask in masks}
        if len(sizes) > 1:
            raise ValueError(
                f"{results['img_path']}: its masks differ in size ({sorted(sizes)}); check "
                f"{paths[0]} and the files beside it"
            )
        foreground = np.logical_or.reduce(masks[: len(paths)])
        results["gt_mask"] = foreground
        results["ignore_mask"] = masks[-1] & ~foreground if ignore else np.zeros_like(foreground)
        return results
