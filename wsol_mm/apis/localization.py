"""What was localized in one image, and its ways into pictures and other libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import transform_boxes
from wsol_mm.functional.masks import to_original_mask
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__
from wsol_mm.visualization.drawing import overlay_map

# Distinct on photographs and on each other (Okabe and Ito's colours), RGB.
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0))


@dataclass(frozen=True)
class Frame:
    """What a network saw of an image.

    Attributes:
        size: (width, height) of the original image.
        input_size: (width, height) of the network's input, which its maps cover.
        matrix: (3, 3), from the original image to the input.
    """

    size: tuple[int, int]
    input_size: tuple[int, int]
    matrix: NDArray[np.float64]

    def to_input(self, box: Sequence[float]) -> NDArray[np.float64]:
        """A box of the original image in the input, (4,)."""
        return transform_boxes([box], self.matrix)[0]


@dataclass(frozen=True)
class Localization:
    """Boxes, classes and maps of one image.

    Attributes:
        source: The file's path, ``video.mp4#12`` for a frame, ``input[3]`` for an array.
        boxes: (n, 4) float64 x0, y0, x1, y1 in the original image as a viewer shows it, in pixels,
            exclusive end.
        labels: (n,) int64, each box's class.
        names: Its name.
        scores: (n,) float64: the class's probability; of a detector the box's score, times that
            probability where a second classifier names the class.
        threshold: Of the map, as a share of its maximum, or of a detector's score; None where it
            differs from map to map (``otsu``).
        threshold_source: Where it comes from: ``argument``, ``config``, ``default``, ``otsu``, ...
        frame: What the network saw.
        raw_maps: For each class (h, w) float32, low resolution, as the network gave it; of a
            detector none.
        class_scores: (K,) float32 probabilities, or None.
        rule: How the maps became boxes; of a detector None.
        read: Reads the image again, (H, W, 3) uint8, RGB.
    """

    source: str
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    scores: NDArray[np.float64]
    threshold: float | None
    threshold_source: str
    frame: Frame = field(repr=False)
    raw_maps: Mapping[int, NDArray[np.float32]] = field(repr=False)
    class_scores: NDArray[np.float32] | None = field(repr=False)
    rule: BoxRule | None = field(repr=False)
    read: Callable[[], NDArray[np.uint8]] = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image."""
        return self.frame.size

    def rows(self) -> list[tuple[list[float], int, str, float]]:
        """Box, label, name and score of each box, best class first, larger boxes first."""
        boxes, labels, scores = self.boxes.tolist(), self.labels.tolist(), self.scores.tolist()
        return list(zip(boxes, labels, self.names, scores, strict=True))

    def map_of(self, label: int) -> NDArray[np.float32]:
        """The map of a class over the original image.

        Args:
            label: One of ``raw_maps``.

        Returns:
            (H, W) float32 in [0, 1], normalised as for the boxes; 0 where the network saw nothing.

        Raises:
            KeyError: There is no map of that class; ask for it by ``labels=``.
        """
        if label not in self.raw_maps:
            raise KeyError(f"{self.source}: no map of class {label}: ask for it by labels={label}")
        values = self.rule.frame(self.raw_maps[label], self.frame.input_size).values
        # OpenCV counts from the first pixel's centre, boxes from its corner.
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        lifted = cv2.warpPerspective(
            values.astype(np.float32),
            np.linalg.inv(half) @ np.linalg.inv(self.frame.matrix) @ half,
            self.size,
            borderMode=cv2.BORDER_REPLICATE,
        )
        whole = np.ones(self.frame.input_size[::-1], bool)
        seen = to_original_mask(whole, self.frame.matrix, self.size[::-1])
        return np.where(seen, lifted.clip(0, 1), np.float32(0))

    @cached_property
    def map(self) -> NDArray[np.float32] | None:
        """The first class's map, see :meth:`map_of`; None for a detector."""
        return self.map_of(next(iter(self.raw_maps))) if self.raw_maps else None

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W), the first class's objects; None for a detector, and for a rule of boxes alone."""
        if self.rule is None or self.rule.components == "two_thresholds" or not self.raw_maps:
            return None
        first = next(iter(self.raw_maps.values()))
        masks, _ = self.rule.masks(first, self.frame.input_size)
        return to_original_mask(masks.any(axis=0), self.frame.matrix, self.size[::-1])

    def plot(self, heat: float = 0.4) -> Image.Image:
        """The image with the first class's map, all boxes, their names and scores.

        Args:
            heat: Weight of the map, 0 for none.

        Returns:
            A PIL image of the original size, which a notebook shows by itself.
        """
        pixels = self.read()
        if heat > 0 and self.map is not None:
            pixels = overlay_map(pixels[..., ::-1], self.map, heat)[..., ::-1]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        width = max(2, round(max(self.size) / 250))
        font = ImageFont.load_default(size=max(11, round(max(self.size) / 40)))
        draw = ImageDraw.Draw(picture)
        order = {label: rank for rank, label in enumerate(dict.fromkeys(self.labels.tolist()))}
        # The first box is the best and stays on top.
        for box, label, name, score in reversed(self.rows()):
            colour = _COLOURS[order[label] % len(_COLOURS)]
            x0, y0, x1, y1 = box
            draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=width)
            text = f"{name.split(',')[0]} {score:.2f}"
            left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
            x = max(0, min(x0, self.size[0] - (right - left) - 6))
            y = y0 - (bottom - top) - 6 if y0 >= bottom - top + 6 else y0
            draw.rectangle((x, y, x + right - left + 6, y + bottom - top + 6), fill=colour)
            draw.text((x + 3 - left, y + 3 - top), text, fill=(0, 0, 0), font=font)
        return picture

    def save(self, path: str | Path, heat: float = 0.4) -> None:
        """Write :meth:`plot` to a file, in one step; the suffix says the format."""
        picture = self.plot(heat)
        with atomic_write(path) as temporary:
            picture.save(temporary)

    def to_coco(self) -> dict[str, Any]:
        """The image alone as COCO json, see :func:`to_coco`."""
        return to_coco([self])

    def to_data_sample(self) -> Any:
        """As ``mmpretrain.structures.DataSample``.

        Fields: ``pred_instances`` (``bboxes``, ``scores``, ``labels``), ``pred_score`` and
        ``pred_label`` where there is a classifier, ``pred_maps`` (k, h, w) with ``map_labels``
        where there are maps, and as meta information ``img_path``, ``ori_shape``, ``img_shape`` and
        ``homography_matrix``.
        """
        import torch
        from mmengine.structures import InstanceData
        from mmpretrain.structures import DataSample

        sample = DataSample(
            metainfo=dict(
                img_path=self.source,
                ori_shape=self.size[::-1],
                img_shape=self.frame.input_size[::-1],
                homography_matrix=self.frame.matrix,
            )
        )
        instances = InstanceData(
            bboxes=torch.from_numpy(self.boxes),
            scores=torch.from_numpy(self.scores),
            labels=torch.from_numpy(self.labels),
        )
        sample.set_field(instances, "pred_instances", dtype=InstanceData)
        if self.class_scores is not None:
            sample.set_pred_score(torch.from_numpy(self.class_scores))
            sample.set_pred_label(int(self.class_scores.argmax()))
        if self.raw_maps:
            maps = torch.from_numpy(np.stack(list(self.raw_maps.values())))
            sample.set_data({"pred_maps": maps, "map_labels": torch.tensor(list(self.raw_maps))})
        return sample

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``, names under ``data["class_name"]``.

        Raises:
            ImportError: The package is missing.
        """
        try:
            import supervision
        except ImportError as error:
            raise ImportError(f"to_supervision: pip install supervision ({error})") from error
        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32),
            confidence=self.scores.astype(np.float32),
            class_id=self.labels.astype(int),
            data={"class_name": np.array(self.names, dtype=str)},
        )


def to_coco(
    results: Sequence[Localization], info: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Images, boxes and classes as COCO json.

    Args:
        results: Of any images.
        info: Put under ``info``, beside the version.

    Returns:
        ``info``, ``images``, ``annotations`` (``bbox`` as x, y, width, height; ``score``) and the
        ``categories`` that occur; a category's id is its label plus 1.
    """
    images, annotations = [], []
    categories: dict[int, str] = {}
    for number, result in enumerate(results, start=1):
        width, height = result.size
        images.append({"id": number, "file_name": result.source, "width": width, "height": height})
        for box, label, name, score in result.rows():
            categories[label] = name
            annotations.append(
                coco_annotation(len(annotations) + 1, number, label + 1, box, score=score)
            )
    return {
        "info": {"created_by": f"wsol_mm {__version__}", **(info or {})},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": label + 1, "name": name} for label, name in sorted(categories.items())
        ],
    }


def coco_annotation(
    number: int, image_id: int, category_id: int, box: Sequence[float], **more: float
) -> dict[str, Any]:
    """One entry of ``annotations``.

    Args:
        number, image_id, category_id: Its ids.
        box: x0, y0, x1, y1.
        more: Further fields, such as ``score``.
    """
    x0, y0, x1, y1 = box
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
        **more,
    }
