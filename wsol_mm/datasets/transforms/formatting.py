"""Pack one image for a localizer."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmpretrain.datasets.transforms import PackInputs

from wsol_mm.registry import TRANSFORMS
from wsol_mm.structures import META_KEYS


@TRANSFORMS.register_module()
class PackWSOLInputs(BaseTransform):
    """``mmpretrain.PackInputs`` plus what localization is evaluated with.

    ``gt_instances.bboxes`` ((n, 4) float64, original frame), ``gt_mask`` and ``ignore_mask`` are
    packed where the data set provides them, ``ranking_view`` where the pipeline does. The image
    must be the one the recorded ``homography_matrix`` leads to: a resize, crop or flip that did not
    record itself is refused, since its maps could not be brought back to the original frame.

    Args:
        algorithm_keys: Further fields to pack.
        meta_keys: Meta information to pack.

    Raises:
        ValueError: When an untracked geometric transform changed the image.
    """

    def __init__(
        self, algorithm_keys: tuple[str, ...] = (), meta_keys: tuple[str, ...] = META_KEYS
    ) -> None:
        self.pack = PackInputs(algorithm_keys=algorithm_keys, meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs=..., data_samples=...)``."""
        matrix = results.setdefault("homography_matrix", np.eye(3))
        tracked = results.get("tracked_shape", results["ori_shape"])
        flips = results.get("flip") and results.get("flip_direction") != "diagonal"
        if results["img"].shape[:2] != tuple(tracked) or (flips and np.linalg.det(matrix) > 0):
            raise ValueError(
                f"{results.get('img_path')}: a transform resized, cropped or flipped the image "
                "without recording it; use wsol_mm.Resize, wsol_mm.CenterCrop, wsol_mm.RandomCrop "
                "and wsol_mm.RandomFlip in this pipeline"
            )
        packed = self.pack(results)
        sample = packed["data_samples"]
        if "instances" in results:
            boxes = [instance["bbox"] for instance in results["instances"]]
            bboxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
            sample.set_field(InstanceData(bboxes=bboxes), "gt_instances", dtype=InstanceData)
        for key in ("gt_mask", "ignore_mask", "ranking_view"):
            if key in results:
                sample.set_field(results[key], key)
        return packed
