"""Join boxes that know no class with a classifier's cached scores: Top-1/Top-5 Loc and GT-known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.evaluation.protocols import Protocol, get_protocol
from wsol_mm.evaluation.records import load_records, make_record, save_records
from wsol_mm.evaluation.results import Results, Settings, evaluate_records, rule_of_stamp
from wsol_mm.evaluation.scores import ClassifierScores, load_classifier_scores
from wsol_mm.functional.image_record import ImageRecord
from wsol_mm.functional.rates import top_labels

Detections = dict[str, list[tuple[list[float], float]]]


def join(
    boxes: str | Path,
    scores: str | Path,
    *,
    metadata: str | Path | None = None,
    images: str | Path | None = None,
    protocol: str | dict[str, Any] | None = None,
    bootstrap: int = 1000,
    out: str | Path | None = None,
    records: str | Path | None = None,
) -> Results:
    """Numbers of boxes of one model with the classes of another.

    Args:
        boxes: The records of a run (npz), which know the ground truth and their protocol; or a json
            of detections: COCO results with image names or numbers as ids, or a COCO file with
            ``images`` and ``annotations``, such as pseudo boxes.
        scores: Class scores: npz with ``img_ids`` (n,) and ``scores`` (n, K), json or pkl of
            ``{img_id: scores}``.
        metadata: The reference evaluator's lists with the ground truth, for a json.
        images: COCO file that explains numeric image ids.
        protocol: For a json; ``wsolevaluation`` by default.
        bootstrap: Resamples of the 95 % intervals.
        out: Json file to write.
        records: Npz file for the joined records.

    Returns:
        Numbers with their stamp.

    Raises:
        KeyError: An image without scores.
        ValueError: A file is malformed, or an argument has no effect on records.
    """
    boxes = Path(boxes)
    classes = load_classifier_scores(scores)
    stamp: dict[str, Any] = {}
    settings = Settings(bootstrap=bootstrap)
    if boxes.suffix == ".npz":
        if protocol or metadata or images:
            raise ValueError(
                f"{boxes} are records: they hold their ground truth and protocol, so "
                "--protocol, --metadata and --images have no effect"
            )
        found, stamp = load_records(boxes)
        rules = Protocol.of_stamp(stamp)
        interval = stamp["threshold"]["interval"]
        settings = Settings(rule=rule_of_stamp(stamp), interval=interval, bootstrap=bootstrap)
        kept = ("normalization", "percentile", "interpolation")
        stamp = {key: stamp[key] for key in kept if key in stamp}
    else:
        rules = get_protocol(protocol or "wsolevaluation")
        lists = None if metadata is None else Path(metadata)
        found = detection_records(boxes, lists, None if images is None else Path(images), rules)
    found = with_classes(found, classes)
    stamp |= {"boxes": str(boxes), "classifier": classes.path}
    results = evaluate_records(found, rules, settings, stamp=stamp)
    if records:
        save_records(records, found, results.stamp)
    if out:
        results.save(out)
    return results


def read_json(path: Path) -> Any:
    """A json file.

    Raises:
        ValueError: It is missing or malformed.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable json file ({error})") from error


def image_names(images: Any, path: Path) -> dict[Any, str]:
    """Numeric id -> image name of a COCO file."""
    try:
        return {image["id"]: image["file_name"] for image in images}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected images with id and file_name") from error


def read_detections(path: Path, images: Path | None) -> Detections:
    """Boxes (x0, y0, x1, y1) and scores by image name.

    Raises:
        ValueError: Malformed entries, or an id that nothing explains.
    """
    content = read_json(path)
    names: dict[Any, str] = {}
    if images:
        explained = read_json(images)
        names = image_names(
            explained.get("images") if isinstance(explained, dict) else None, images
        )
    entries, implied_score = content, None
    if isinstance(content, dict):
        names = image_names(content.get("images"), path)
        entries, implied_score = content.get("annotations"), 1.0
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of detections, or a dict with annotations")
    found: Detections = {name: [] for name in names.values()}
    for number, entry in enumerate(entries):
        try:
            key = entry["image_id"]
            x, y, width, height = (float(value) for value in entry["bbox"])
            score = float(entry["score"] if implied_score is None else entry.get("score", 1.0))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: entry {number} needs image_id, bbox [x, y, w, h] and score: {entry}"
            ) from error
        name = names.get(key, key)
        if not isinstance(name, str):
            raise ValueError(
                f"{path}: entry {number} has the numeric image_id {key}; name the COCO file that "
                "explains it with --images"
            )
        found.setdefault(name, []).append(([x, y, x + width, y + height], score))
    return found


def detection_records(
    boxes_file: Path, metadata: Path | None, images_file: Path | None, protocol: Protocol
) -> list[ImageRecord]:
    """Judge the detections of a json file; an image without one counts as wrong."""
    if metadata is None:
        raise ValueError(f"{boxes_file} holds no ground truth: name its lists with --metadata")
    detections = read_detections(boxes_file, images_file)
    hint = "--metadata needs image_ids, class_labels, image_sizes and localization .txt"
    images = read_metadata(metadata, Path(), hint=hint, boxes=True)
    unknown = sorted(detections.keys() - {image["img_id"] for image in images})
    if unknown:
        raise ValueError(
            f"{boxes_file}: {len(unknown)} images are not in {metadata}, for example {unknown[0]!r}"
        )
    records = []
    for image in tqdm(images, unit="img", desc="boxes"):
        if "width" not in image:
            raise ValueError(f"{metadata}: image_sizes.txt has no size for {image['img_id']!r}")
        boxes = detections.get(image["img_id"], [])
        sample = {
            "img_id": image["img_id"],
            "gt_label": image["gt_label"],
            "ori_shape": (image["height"], image["width"]),
            "gt_instances": {"bboxes": np.array(image["boxes"])},
            "pred_instances": {
                "bboxes": np.array([box for box, _ in boxes]).reshape(-1, 4),
                "scores": np.array([score for _, score in boxes]),
            },
        }
        records.append(make_record(sample, protocol))
    return records


def with_classes(records: Sequence[ImageRecord], scores: ClassifierScores) -> list[ImageRecord]:
    """Records with the classifier's five best classes.

    Raises:
        KeyError: An image without scores.
        ValueError: A ground-truth class without a score.
    """
    joined = []
    for record in records:
        values = scores[record.img_id]
        if record.gt_label >= len(values):
            raise ValueError(
                f"{scores.path}: {len(values)} classes, but image {record.img_id!r} is of class "
                f"{record.gt_label}"
            )
        top5 = top_labels(values)
        joined.append(replace(record, top5=top5, bad_scores=not len(top5)))
    return joined
