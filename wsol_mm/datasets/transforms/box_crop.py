"""A crop for training detectors, and what becomes of an image whose boxes it loses."""

import copy
from typing import Literal, get_args

from mmcv.transforms import BaseTransform

from wsol_mm.registry import TRANSFORMS

NoBox = Literal["background", "entropy", "resample"]


@TRANSFORMS.register_module()
class BoxCrop(BaseTransform):
    """Crop an image with its boxes; ``no_box`` says what an image without a box is afterwards.

    Args:
        crop: The crop, ``dict(type='mmdet.RandomCrop', ...)``, or another transform that takes
            ``allow_negative_crop``.
        no_box: ``background``: the image stays and teaches background. ``entropy``: it stays, but
            only the loss without labels sees it (``entropy_only`` in the meta information, which
            packing must keep and :class:`wsol_mm.BinaryClassDetector` obeys). ``resample``:
            the crop is drawn again until a box is left, and after ``tries`` another image is taken
            in its place; so is an image that had no box to begin with.
        tries: Crops drawn with ``resample``.

    Raises:
        ValueError: An unknown ``no_box``, or no try.
    """

    def __init__(self, crop: dict, no_box: NoBox = "background", tries: int = 30) -> None:
        if no_box not in get_args(NoBox):
            raise ValueError(f"BoxCrop: no_box must be one of {get_args(NoBox)}, got {no_box!r}")
        if tries < 1:
            raise ValueError(f"BoxCrop: tries={tries} must be positive")
        self.crop = TRANSFORMS.build({**crop, "allow_negative_crop": True})
        self.no_box = no_box
        self.tries = tries

    def transform(self, results: dict) -> dict | None:
        """Crop ``results``, or return None for another image to be taken."""
        if self.no_box != "resample":
            results = self.crop(results)
            results["entropy_only"] = self.no_box == "entropy" and not len(results["gt_bboxes"])
            return results
        if not len(results["gt_bboxes"]):
            return None
        for _ in range(self.tries):
            # a crop moves the boxes in place, and replaces the image
            fresh = {
                key: value if key == "img" else copy.deepcopy(value)
                for key, value in results.items()
            }
            cropped = self.crop(fresh)
            if len(cropped["gt_bboxes"]):
                cropped["entropy_only"] = False
                return cropped
        return None

    def __repr__(self) -> str:
        return f"BoxCrop(crop={self.crop}, no_box='{self.no_box}', tries={self.tries})"
