"""Localizers and detectors that a config describes, on photographs in memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from numpy.typing import NDArray
from torch import nn

from wsol_mm.apis.classifiers import Prediction, Preprocessing, squashed_frame
from wsol_mm.apis.localization import Frame
from wsol_mm.evaluation.find_metric import box_rule_of, wsol_metrics
from wsol_mm.functional.box_rule import BoxRule

_LOADS = ("LoadImageFromFile", "LoadAnnotations", "LoadMasks")
# Pipelines resize by points, without smoothing; photographs far larger than data sets' images are
# brought to this shorter side by areas first.
SHORTER_SIDE = 512
# Two aspects tell what a pipeline does to the frame.
_PROBES = tuple(np.zeros((height, 300, 3), np.uint8) for height in (200, 400))


def is_detector(model: nn.Module) -> bool:
    """Whether a model of a config is one of MMDetection's."""
    module = sys.modules.get("mmdet.models.detectors.base")  # loaded where there is one
    return module is not None and isinstance(model, module.BaseDetector)


def is_localizer(model: nn.Module) -> bool:
    """Whether a model of a config draws maps by itself."""
    parts = (model, getattr(model, "head", None))
    return any(type(part).__module__.startswith("wsol_mm.") for part in parts)


def class_count(model: nn.Module) -> int:
    """Classes of a model built from a config."""
    model = getattr(model, "detector", model)  # BinaryClassDetector's
    head = getattr(model, "head", None) or getattr(model, "bbox_head", None)
    if head is None and hasattr(model, "roi_head"):
        head = model.roi_head.bbox_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head
    return int(getattr(head, "num_classes", 1))


def preprocessing_of(model: nn.Module) -> Preprocessing:
    """Preprocessing of one of MMPretrain's classifiers: its normalisation, its pipeline's size."""
    processor, size = model.data_preprocessor, None
    pipeline = model.cfg.get("test_dataloader", {}).get("dataset", {}).get("pipeline", [])
    for step in pipeline:
        wanted = step.get("crop_size", step.get("scale"))
        if wanted is not None:
            size = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted)[::-1][:2]
            size = size[::-1] if "scale" in step else size
    mean, std = (
        tuple(getattr(processor, key).flatten().tolist())
        if processor._enable_normalize
        else (value,) * 3
        for key, value in (("mean", 0.0), ("std", 1.0))
    )
    bgr = not (getattr(processor, "to_rgb", False) or processor._enable_normalize is False)
    return Preprocessing(size or (224, 224), mean, std, bgr)


def rule_of(cfg: Any) -> BoxRule | None:
    """How the config's own metric makes boxes; None where it has none of ours."""
    evaluator = cfg.get("test_evaluator")
    return box_rule_of(evaluator) if wsol_metrics(evaluator) else None


class PhotographPipeline:
    """A config's test pipeline for images that are in memory, without its loading steps.

    Args:
        steps: Their configs.
        scope: Default scope of their types.
    """

    def __init__(self, steps: Sequence[Any], scope: str) -> None:
        self.steps = [step for step in steps if step["type"].split(".")[-1] not in _LOADS]
        self.scope = scope
        with DefaultScope.overwrite_default_scope(scope):
            self.compose = Compose(self.steps)

    def __call__(self, image: NDArray[np.uint8], label: int | None = None) -> dict[str, Any]:
        """``inputs``, uint8 BGR (3, h, w), and ``data_samples`` of an RGB image.

        Args:
            image: (H, W, 3).
            label: Goes along as ``gt_label``.
        """
        pixels = np.ascontiguousarray(_shrunk(image)[..., ::-1])
        shape = pixels.shape[:2]
        results = dict(
            img=pixels, img_shape=shape, ori_shape=shape, img_id="image", img_path="image"
        )
        with DefaultScope.overwrite_default_scope(self.scope):
            return self.compose(results if label is None else results | {"gt_label": label})

    def input_size(self) -> tuple[int, int] | None:
        """(width, height) of its results, None where they depend on the image."""
        sizes = {tuple(self(image)["inputs"].shape[:0:-1]) for image in _PROBES}
        return sizes.pop() if len(sizes) == 1 else None

    def squashes(self) -> bool:
        """Whether it brings the whole of every image to one size, and does nothing else to it."""
        frames = [photograph_frame(image, self(image)["data_samples"]) for image in _PROBES]
        return self.input_size() is not None and all(
            np.allclose(frame.matrix, squashed_frame(image, frame.input_size).matrix)
            for image, frame in zip(_PROBES, frames, strict=True)
        )


def photograph_frame(image: NDArray[np.uint8], sample: Any) -> Frame:
    """What the network saw of an image, by what the pipeline recorded in its data sample."""
    height, width = image.shape[:2]
    small = sample.ori_shape
    shrink = np.diag([small[1] / width, small[0] / height, 1.0])
    matrix = sample.metainfo.get("homography_matrix")
    if matrix is None:
        matrix = np.diag([*np.atleast_1d(sample.metainfo.get("scale_factor", (1, 1)))[:2], 1.0])
    seen = tuple(int(side) for side in sample.img_shape[:2])
    return Frame((width, height), seen[::-1], np.asarray(matrix, dtype=np.float64) @ shrink)


class ConfigModel:
    """A localizer or detector of a config, fed through its own test pipeline.

    Args:
        model: Built from a config; ``model.cfg`` is it.
        classes: Names of its classes, or None.

    Raises:
        ValueError: Another number of names than of classes.
    """

    def __init__(self, model: nn.Module, classes: Sequence[str] | None = None) -> None:
        self.model, self.detects = model, is_detector(model)
        self.method = "detector" if self.detects else type(model.head).__name__
        count = class_count(model)
        if classes is not None and len(classes) != count:
            raise ValueError(f"classes: got {len(classes)} names, the model has {count} classes")
        self.classes = tuple(classes or (f"class {index}" for index in range(count)))
        self.pipeline = PhotographPipeline(
            model.cfg.test_dataloader.dataset.pipeline, model.cfg.get("default_scope", "mmengine")
        )

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        labels: Sequence[Sequence[int]] | None,
        topk: int,
    ) -> list[Prediction]:
        """Class scores and maps, or boxes, of a batch; as of :class:`AnyClassifier`.

        A head that draws fewer classes than are asked for runs again for each of the others.
        """
        samples = self._run(images, None if labels is None else [row[0] for row in labels])
        if self.detects:
            asked = labels if len(self.classes) > 1 and labels is not None else [None] * len(images)
            return [self._boxes(*item) for item in zip(images, samples, asked, strict=True)]
        found = [_maps(sample) for sample in samples]
        scores = [sample.pred_score.float().cpu().numpy() for sample in samples]
        wanted = labels or [np.argsort(-row, kind="stable")[:topk].tolist() for row in scores]
        for place in range(max(map(len, wanted))):
            missing = [
                row
                for row, classes in enumerate(wanted)
                if place < len(classes) and not {classes[place], -1} & set(found[row])
            ]
            if missing:
                asked = [wanted[row][place] for row in missing]
                for row, label, sample in zip(
                    missing, asked, self._run([images[row] for row in missing], asked), strict=True
                ):
                    found[row][label] = _maps(sample)[label]
        return [
            Prediction(
                photograph_frame(image, sample),
                row_scores,
                # one map may serve all classes (-1)
                {label: maps.get(label, maps.get(-1)) for label in classes},
            )
            for image, sample, row_scores, maps, classes in zip(
                images, samples, scores, found, wanted, strict=True
            )
        ]

    def _run(self, images: Sequence[NDArray[np.uint8]], labels: Sequence[int] | None) -> list[Any]:
        items = [
            self.pipeline(image, None if labels is None else labels[number])
            for number, image in enumerate(images)
        ]
        with DefaultScope.overwrite_default_scope(self.pipeline.scope), torch.no_grad():
            # Padding to a common size would stretch maps; boxes do not mind.
            groups: dict[Any, list[int]] = {}
            for number, item in enumerate(items):
                shape = None if self.detects else item["inputs"].shape
                groups.setdefault(shape, []).append(number)
            samples: dict[int, Any] = {}
            for rows in groups.values():
                found = self.model.test_step(pseudo_collate([items[row] for row in rows]))
                samples.update(zip(rows, found, strict=True))
        return [samples[row] for row in range(len(images))]

    def _boxes(
        self, image: NDArray[np.uint8], sample: Any, labels: Sequence[int] | None
    ) -> Prediction:
        frame = photograph_frame(image, sample)
        instances = sample.pred_instances
        if labels is not None:
            instances = instances[torch.isin(instances.labels.cpu(), torch.tensor(labels))]
        instances = instances[instances.scores.argsort(descending=True)]
        height, width = sample.ori_shape
        scale = np.array([frame.size[0] / width, frame.size[1] / height] * 2)
        boxes = instances.bboxes.double().cpu().numpy().reshape(-1, 4) * scale
        boxes = boxes.clip(0, np.array([*frame.size] * 2))
        return Prediction(
            frame,
            boxes=boxes,
            scores=instances.scores.double().cpu().numpy(),
            labels=instances.labels.long().cpu().numpy(),
        )


def _maps(sample: Any) -> dict[int, NDArray[np.float32]]:
    maps = sample.pred_maps.float().cpu().numpy()
    return dict(zip(sample.map_labels.tolist(), maps, strict=True))


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = SHORTER_SIDE / min(height, width)
    if scale >= 0.5:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
