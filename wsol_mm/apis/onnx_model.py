"""An exported ONNX file behind :class:`wsol_mm.Localizer`, run by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import wsol_mm.registry  # noqa: F401 - makes `wsol_mm.Resize` and the like known
from wsol_mm.apis.classifiers import Prediction, squash, squashed_frame
from wsol_mm.apis.config_models import PhotographPipeline, photograph_frame
from wsol_mm.apis.localization import Frame
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame

_PREFIX = "wsol_mm."


def read_metadata(properties: Mapping[str, str]) -> dict[str, Any]:
    """What :func:`wsol_mm.apis.export.export_onnx` wrote; empty where another program did."""
    return {
        key.removeprefix(_PREFIX): json.loads(value)
        for key, value in properties.items()
        if key.startswith(_PREFIX)
    }


def write_metadata(facts: Mapping[str, Any]) -> dict[str, str]:
    """The properties that :func:`read_metadata` reads.

    Example:
        >>> read_metadata({"author": "me", **write_metadata({"kind": "maps"})})
        {'kind': 'maps'}
    """
    return {_PREFIX + key: json.dumps(value) for key, value in facts.items()}


class OnnxModel:
    """Maps or boxes of an exported file.

    Args:
        path: Of ``tools/deploy/export.py``.
        classes: Other names of its classes.
        device: ``cuda`` runs on a GPU where onnxruntime can; else the CPU, with as many threads as
            torch has.

    Attributes:
        network: The ``onnxruntime.InferenceSession``.
        rule, threshold_source: How its maps become boxes; None and ``default`` for boxes.

    Raises:
        ImportError: onnxruntime is missing.
        FileNotFoundError: There is no such file.
        ValueError: Another program's file, or another number of names than of classes.
    """

    def __init__(
        self, path: str | Path, classes: Sequence[str] | None = None, device: str = "cpu"
    ) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist: tools/deploy/export.py makes one")
        self.network = _session(Path(path), device)
        facts = read_metadata(self.network.get_modelmeta().custom_metadata_map)
        if facts.get("format") != 1:
            raise ValueError(
                f"{path}: no metadata of tools/deploy/export.py (format 1): export it again"
            )
        if classes is not None and len(classes) != len(facts["classes"]):
            raise ValueError(
                f"classes: got {len(classes)} names, the file has {len(facts['classes'])} classes"
            )
        self.classes = tuple(classes or facts["classes"])
        self.method, self.detects = facts["method"], facts["kind"] == "boxes"
        self.rule = None if self.detects else BoxRule(**facts["rule"])
        self.threshold_source = facts.get("threshold_source", "default")
        self.dtype = np.dtype(facts["input"]["dtype"])
        prepare = facts["prepare"]
        self.size = tuple(prepare["squash"]) if "squash" in prepare else None
        self.pipeline = PhotographPipeline(**prepare) if self.size is None else None

    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        labels: Sequence[Sequence[int]] | None,
        topk: int,
    ) -> list[Prediction]:
        """Class scores and maps, or boxes, of a batch.

        Args:
            images: RGB, of any sizes.
            labels: Wanted classes of each image; None for the best.
            topk: How many of the best.
        """
        prepared = [self._prepare(image) for image in images]
        found: dict[int, Prediction] = {}
        groups: dict[Any, list[int]] = {}
        for number, (pixels, _) in enumerate(prepared):
            groups.setdefault(pixels.shape, []).append(number)
        for rows in groups.values():
            feed = {"images": np.stack([prepared[row][0] for row in rows]).astype(self.dtype)}
            frames = [prepared[row][1] for row in rows]
            if self.detects:
                found |= zip(rows, self._boxes(feed, frames), strict=True)
            else:
                best = list(range(-1, -1 - min(topk, len(self.classes)), -1))
                asked = [best if labels is None else labels[row] for row in rows]
                found |= zip(rows, self._maps(feed, frames, asked), strict=True)
        return [found[row] for row in range(len(images))]

    def _prepare(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Frame]:
        """RGB pixels (3, h, w), and what they show of the image."""
        if self.pipeline is None:
            return squash(image, self.size).transpose(2, 0, 1), squashed_frame(image, self.size)
        item = self.pipeline(image)
        return item["inputs"].numpy()[::-1], photograph_frame(image, item["data_samples"])

    def _maps(
        self, feed: dict[str, Any], frames: Sequence[Frame], asked: Sequence[Sequence[int]]
    ) -> list[Prediction]:
        longest = max(map(len, asked))
        # shorter lists are filled up with their first class
        rows = [[*row, *[row[0]] * (longest - len(row))] for row in asked]
        feed["labels"] = np.array(rows, dtype=np.int64)
        scores, classes, maps = self.network.run(["scores", "classes", "maps"], feed)
        return [
            Prediction(
                frame,
                scores[row],
                dict(zip(classes[row, : len(wanted)].tolist(), maps[row], strict=False)),
            )
            for row, (frame, wanted) in enumerate(zip(frames, asked, strict=True))
        ]

    def _boxes(self, feed: dict[str, Any], frames: Sequence[Frame]) -> list[Prediction]:
        boxes, scores = self.network.run(["boxes", "scores"], feed)
        return [
            Prediction(
                frame,
                boxes=to_original_frame(boxes[row], frame.matrix, frame.size[::-1]),
                scores=scores[row].astype(np.float64),
                labels=np.zeros(len(scores[row]), dtype=np.int64),
            )
            for row, frame in enumerate(frames)
        ]


def _session(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"{path} needs onnxruntime ({error}): pip install onnxruntime, or wsol_mm[export]"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    known = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] * device.startswith("cuda") + ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(
        str(path), options, providers=[name for name in wanted if name in known]
    )
