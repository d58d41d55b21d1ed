"""A result file of tools/test.py or tools/eval_maps.py with its records, for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol_mm.datasets.box_file import read_json
from wsol_mm.evaluation.protocols import Protocol
from wsol_mm.evaluation.records import load_records
from wsol_mm.evaluation.results import rule_of_stamp
from wsol_mm.functional.image_record import BoxRecord, ImageRecord, MapRecord
from wsol_mm.functional.rates import threshold_levels

Floats = NDArray[np.float64]
_HINT = "tools/test.py --out RESULT.json makes it"


@dataclass(frozen=True)
class Run:
    """One evaluated run.

    Attributes:
        name: What it is called on the page.
        details: Numbers, intervals, curves, per-class rows and stamp
            (:meth:`wsol_mm.evaluation.results.Results.to_dict`).
        records: One per image, by ascending ``img_id``.
        iou: (n,) IoU of the box that GT-known looks at; None without boxes to compare with.
        boxes: (n, 4) that box in the original image, zeros where there is none; of maps the
            largest contour's. None in records of earlier versions.
        truth: The (m, 4) true boxes of each image, those that the protocol compares with; the same.
    """

    name: str
    details: dict[str, Any]
    records: list[ImageRecord]
    iou: Floats | None
    boxes: Floats | None
    truth: list[Floats] | None

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) ground-truth classes."""
        return np.array([record.gt_label for record in self.records], dtype=np.int64)

    @property
    def protocol(self) -> Protocol:
        """How boxes were compared."""
        return Protocol.of_stamp(self.details["stamp"])

    def class_name(self, label: int) -> str:
        """The name of a class, or its number."""
        for row in self.details["per_class"]:
            if row["label"] == label and "name" in row:
                return str(row["name"])
        return str(label)


def find_files(result: Path) -> tuple[Path, Path]:
    """The details and the records that belong to a result.

    Args:
        result: What ``--out`` of tools/test.py named, the ``_wsol.json`` beside it, or the json of
            tools/eval_maps.py.

    Returns:
        The json with curves and stamp, and the npz of records.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Not a result, or one of several evaluators.
    """
    content = read_json(result, _HINT)
    details = result
    if "stamp" not in content:
        named = content.get("info", {}).get("details", [])
        if not named:
            raise ValueError(
                f"{result}: neither numbers with a stamp nor a result of tools/test.py"
            )
        if len(named) > 1:
            raise ValueError(f"{result} has {len(named)} evaluators: name one of {named}")
        beside = result.with_name(Path(named[0]).name)
        details = beside if beside.is_file() else Path(named[0])
    records = details.with_name(f"{details.stem}_records.npz")
    if not records.is_file():
        raise FileNotFoundError(
            f"{records} does not exist: tools/test.py --out writes it, tools/eval_maps.py does "
            f"with --records {records}"
        )
    return details, records


def read_run(result: Path, name: str) -> Run:
    """Read a result with its records.

    Raises:
        FileNotFoundError, ValueError: See :func:`find_files`.
    """
    path, npz = find_files(result)
    details = read_json(path, _HINT)
    found, stamp = load_records(npz)
    if stamp.get("images") != details["stamp"].get("images"):
        raise ValueError(f"{npz} and {path} are not of the same run: make both again")
    return make_run(name, details, found)


def make_run(name: str, details: dict[str, Any], found: Sequence[ImageRecord]) -> Run:
    """Choose the box of each image under the threshold that the numbers were computed with."""
    records = sorted(found, key=lambda record: record.img_id)
    maps = [record for record in records if isinstance(record, MapRecord)]
    scored = [record for record in records if isinstance(record, BoxRecord)]
    iou = boxes = None
    if maps and maps[0].curve_largest is not None:
        iou, boxes = _of_maps(maps, details["stamp"])
    elif scored:
        iou = np.array([record.box_iou[:1].max(initial=0.0) for record in scored])
        if scored[0].boxes is not None:
            rows = [record.boxes[:1] for record in scored if record.boxes is not None]
            boxes = np.stack([row[0] if len(row) else np.zeros(4) for row in rows])
    truth = None
    if boxes is not None:
        count = 1 if Protocol.of_stamp(details["stamp"]).ground_truth == "first" else None
        truth = [getattr(record, "gt_boxes")[:count] for record in records]  # noqa: B009
    return Run(name, details, records, iou, boxes, truth)


def _of_maps(records: list[MapRecord], stamp: dict[str, Any]) -> tuple[Floats, Floats | None]:
    """IoUs and boxes of maps at the threshold of the stamp."""
    rule = rule_of_stamp(stamp)
    if isinstance(rule.threshold, str):
        levels = np.array([getattr(record, f"level_{rule.threshold}") for record in records])
    else:
        levels = threshold_levels([record.grey_max for record in records], rule.threshold)
    key = "curve_largest" if rule.components == "largest" else "curve_any"
    rows = list(zip(records, levels, strict=True))
    iou = np.array([getattr(record, key)[level] for record, level in rows])
    if records[0].level_boxes is None:
        return iou, None
    boxes = np.zeros((len(records), 4))
    for box, (record, level) in zip(boxes, rows, strict=True):
        if record.level_boxes is not None and record.to_frame is not None:
            scale, offset = np.tile(record.to_frame.reshape(2, 2), 2)
            frame = record.level_boxes[level].astype(np.float64)
            box[:] = (frame - offset) / scale if frame[2] > frame[0] else 0.0
    return iou, boxes
