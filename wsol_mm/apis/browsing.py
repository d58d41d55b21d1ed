"""What the network will see: images behind a config's augmentations, with their boxes and masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from mmengine.config import Config
from numpy.typing import NDArray

from wsol_mm.functional.geometry import transform_boxes
from wsol_mm.visualization.drawing import GROUND_TRUTH, draw_boxes


class Item(NamedTuple):
    """An item of a data set.

    Attributes:
        name: ``img_id``, else the file's path.
        image: (h, w, 3) uint8, BGR, as the pipeline left it.
        boxes: (n, 4) xyxy in ``image``.
        mask: (h, w) bool; None where the data set has none.
    """

    name: str
    image: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    mask: NDArray[np.bool_] | None


def dataset_config(cfg: Config, phase: str) -> dict[str, Any]:
    """The data set of a phase, so that its true boxes and masks can be shown.

    A localizer's training data has none by its contract; they are read here, and only shown. A
    detector's pipeline moves boxes itself and is left alone: what is shown teaches it.

    Args:
        cfg: The config.
        phase: ``train``, ``val`` or ``test``.

    Raises:
        ValueError: The config has no such data, or wraps it in another data set.
    """
    dataset = (cfg.get(f"{phase}_dataloader") or {}).get("dataset")
    if dataset is None or "pipeline" not in dataset:
        raise ValueError(f"{phase}_dataloader has no data set with a pipeline of its own")
    dataset = dataset.to_dict()
    kinds = [str(step["type"]).split(".")[-1] for step in dataset["pipeline"]]
    if kinds[-1] == "PackWSOLInputs":
        dataset["test_mode"] = True
        if "LoadMasks" not in kinds:
            dataset["pipeline"].insert(-1, {"type": "wsol_mm.LoadMasks"})
    return dataset


def read_item(item: dict[str, Any]) -> Item:
    """Take apart what a pipeline packed.

    Args:
        item: ``inputs`` (3, h, w) uint8 and ``data_samples``. Boxes of samples that record a
            ``homography_matrix`` lie in the original image, of others in the input.
    """
    image = np.ascontiguousarray(item["inputs"].permute(1, 2, 0).numpy())
    sample = item["data_samples"]
    name = str(sample.get("img_id") if "img_id" in sample else sample.img_path)
    boxes = sample.gt_instances.bboxes if "gt_instances" in sample else np.zeros((0, 4))
    boxes = getattr(boxes, "tensor", boxes)  # mmdet's own kind
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    height, width = image.shape[:2]
    matrix = np.asarray(sample.get("homography_matrix", np.eye(3)), dtype=np.float64)
    boxes = transform_boxes(boxes, matrix).clip(0, [width, height, width, height])
    mask = None
    if "gt_mask" in sample:
        raw = np.asarray(sample.gt_mask)
        scale = np.array(sample.ori_shape) / raw.shape
        to_input = matrix @ np.diag([scale[1], scale[0], 1.0])
        flags = cv2.INTER_NEAREST
        mask = cv2.warpPerspective(raw.astype(np.uint8), to_input, (width, height), flags=flags) > 0
    return Item(name, image, boxes, mask)


def draw_item(item: Item) -> NDArray[np.uint8]:
    """The image with its boxes and, in their colour, its mask; (h, w, 3) uint8, BGR."""
    image = item.image
    if item.mask is not None:
        image = image.copy()
        image[item.mask] = (0.6 * image[item.mask] + 0.4 * np.array(GROUND_TRUTH)).astype(np.uint8)
    return draw_boxes(image, item.boxes, GROUND_TRUTH)
