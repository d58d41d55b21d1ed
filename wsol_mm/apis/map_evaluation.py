"""Evaluate score maps made elsewhere, or the trivial predictors alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from tqdm import tqdm

from wsol_mm.datasets.mask_file import decode_mask
from wsol_mm.datasets.plain_truth import read_truth
from wsol_mm.evaluation.map_files import load_map
from wsol_mm.evaluation.protocols import Protocol, get_protocol
from wsol_mm.evaluation.records import make_record, save_records
from wsol_mm.evaluation.results import Results, Settings, evaluate_records, map_stamp, read_rule
from wsol_mm.evaluation.scores import ClassifierScores, load_classifier_scores
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.image_record import ImageRecord
from wsol_mm.functional.pxap import nearest_indices
from wsol_mm.functional.rates import V2_IOUS


def evaluate_maps(
    maps: str | Path | None,
    truth: str | Path,
    *,
    masks: str | Path | None = None,
    images: str | Path | None = None,
    protocol: str | dict[str, Any] = "wsolevaluation",
    normalization: str | None = None,
    percentile: float | None = None,
    threshold: str | float = "oracle",
    components: str = "largest",
    iou_thrs: Sequence[float] = V2_IOUS,
    interval: float = 0.001,
    classifier_scores: str | Path | None = None,
    bootstrap: int = 1000,
    processes: int = 1,
    out: str | Path | None = None,
    records: str | Path | None = None,
) -> Results:
    """Every number that a folder of score maps and its truth allow.

    Maps of the frame's size (224 x 224) are taken as ready: float64 in [0, 1], used as they are.
    Maps of any other size are raw, upsampled and normalised first; ``normalization``, or a protocol
    with one of its own, makes all maps raw. A map with a NaN counts as wrong.

    Args:
        maps: Folder with ``<img_id>.npy``, the id with its folders; None for the trivial
            predictors alone.
        truth: See :func:`wsol_mm.datasets.plain_truth.read_truth`.
        masks: Root of the mask images of lists that name masks.
        images: Folder of the images, whose sizes boxes in ``.txt`` files need.
        protocol: Name of a protocol, or ``dict(name=..., key=value)``.
        normalization: ``minmax``, ``max``, ``pas`` or ``ivr``.
        percentile: Of ``pas`` and ``ivr``.
        threshold: ``oracle``, ``otsu``, ``mean`` or a number in [0, 1).
        components: Boxes that GT-known looks at: ``largest`` or ``all``.
        iou_thrs: IoUs of ``gt_known_iouXX``.
        interval: Step of the threshold grid.
        classifier_scores: File of class scores, for Top-k.
        bootstrap: Resamples of the 95 % intervals.
        processes: Parallel workers.
        out: Json file to write.
        records: Npz file for the records.

    Returns:
        Numbers with their stamp.

    Raises:
        FileNotFoundError: Something is missing.
        ValueError: Something is malformed; the message names the file and the cure.
    """
    rules = get_protocol(protocol)
    rule = read_rule(threshold, components=components, key="--threshold")
    folder = None if maps is None else Path(maps)
    ids = None if folder is None else map_ids(folder)
    entries = read_truth(
        Path(truth),
        ids,
        masks=None if masks is None else Path(masks),
        images=None if images is None else Path(images),
    )
    scores = None if classifier_scores is None else load_classifier_scores(classifier_scores)
    stamp: dict[str, Any] = {"metadata": str(truth)}
    asked = normalization is not None or rules.normalization != "any"
    if folder is not None:
        check_ids(folder, ids or [], entries)
        first = load_map(folder / f"{entries[0]['img_id']}.npy", finite=False)
        ready = first.shape == (rules.frame, rules.frame) and not asked
        rule = replace(
            rule,
            normalization=None if ready else normalization or "minmax",
            percentile=percentile,
        )
    rule = rules.box_rule(rule)
    if folder is not None:
        stamp |= {
            "maps": "raw" if rule.normalization else "ready",
            "class_agnostic": None,  # a file does not say
            **map_stamp(rule),
        }
    if folder is None and not any("boxes" in entry for entry in entries):
        raise ValueError("the trivial predictors need boxes; there are none in masks")
    settings = Settings(rule=rule, iou_thrs=iou_thrs, interval=interval, bootstrap=bootstrap)
    if scores:
        stamp["classifier"] = scores.path
    job = Job(folder, rules, rule, interval, scores, asked)
    made = list(make_records(job, entries, processes))
    results = evaluate_records(made, rules, settings, stamp=stamp)
    if records:
        save_records(records, made, results.stamp)
    if out:
        results.save(out)
    return results


def map_ids(folder: Path) -> list[str]:
    """Names of the maps of a folder, sorted.

    Raises:
        ValueError: There is no such folder, or no map in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    ids = sorted(path.relative_to(folder).as_posix()[:-4] for path in folder.rglob("*.npy"))
    if not ids:
        raise ValueError(f"{folder} holds no maps, <img_id>.npy")
    return ids


def check_ids(folder: Path, ids: Sequence[str], entries: Sequence[dict[str, Any]]) -> None:
    """Refuse a folder that lacks a map or holds one too many.

    Raises:
        ValueError: With examples of what is missing or extra.
    """
    found, wanted = set(ids), {entry["img_id"] for entry in entries}
    for kind, names in (("missing", wanted - found), ("extra", found - wanted)):
        if names:
            examples = ", ".join(f"{name}.npy" for name in sorted(names)[:3])
            raise ValueError(f"{folder}: {len(names)} {kind} maps, for example {examples}")


@dataclass(frozen=True)
class Job:
    """Makes the record of one image; the map is read, reduced and forgotten.

    Attributes:
        maps: Folder of the maps, None without.
        protocol: How boxes are compared.
        rule: How maps are normalised.
        interval: Step of the threshold grid.
        scores: Of a classifier.
        asked: The normalisation was asked for, so that maps of the frame's size are raw, too.
    """

    maps: Path | None
    protocol: Protocol
    rule: BoxRule
    interval: float
    scores: ClassifierScores | None
    asked: bool

    def __call__(self, entry: dict[str, Any]) -> ImageRecord:
        """The record of an entry of :func:`wsol_mm.datasets.plain_truth.read_truth`."""
        side = self.protocol.frame
        width, height = entry.get("width", side), entry.get("height", side)
        sample: dict[str, Any] = {
            "img_id": entry["img_id"],
            "gt_label": entry["gt_label"],
            "ori_shape": (height, width),
            "img_shape": (side, side),
            "homography_matrix": np.diag([side / width, side / height, 1.0]),
        }
        if "boxes" in entry:
            sample["gt_instances"] = {"bboxes": np.array(entry["boxes"])}
        if "segmentations" in entry:
            sample["gt_mask"] = draw(entry["segmentations"], height, width)
        elif "mask_paths" in entry:
            # Each mask image has its own size, so all are brought to the frame first.
            masks = [read_mask(Path(path), side) for path in entry["mask_paths"]]
            sample["gt_mask"] = np.logical_or.reduce([mask for mask, _ in masks])
            ignored = [void for _, void in masks]
            if entry["ignore_path"]:
                ignored.append(read_mask(Path(entry["ignore_path"]), side)[0])
            sample["ignore_mask"] = np.logical_or.reduce(ignored)
        if self.maps is not None:
            path = self.maps / f"{entry['img_id']}.npy"
            sample |= {"pred_maps": self.load(path)[None], "map_labels": np.array([-1])}
        return make_record(
            sample,
            self.protocol,
            rule=self.rule,
            interval=self.interval,
            scores=self.scores[entry["img_id"]] if self.scores else None,
        )

    def load(self, path: Path) -> NDArray[Any]:
        """A map; of the kind, ready or raw, that the first one is of."""
        score_map = load_map(path, finite=False)
        framed = score_map.shape == (self.protocol.frame,) * 2
        if self.rule.normalization and not self.asked and framed:
            raise ValueError(
                f"{path}: a ready map among raw ones; give --normalization to treat all as raw"
            )
        if self.rule.normalization is None and not framed:
            raise ValueError(
                f"{path}: a raw map of {score_map.shape} among ready ones; give --normalization "
                "to treat all as raw"
            )
        if self.rule.normalization is None and score_map.dtype != np.float64:
            raise ValueError(
                f"{path}: a map of the frame's size is taken as it is and must be float64, got "
                f"{score_map.dtype}: give --normalization minmax (max, pas, ivr) to have maps "
                "normalised"
            )
        return score_map


def read_mask(path: Path, frame: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Object and void of a mask image at the frame's size, by the nearest-neighbour rule.

    Raises:
        ValueError: There is no such file, or :func:`wsol_mm.datasets.mask_file.decode_mask`
            refuses it.
    """
    if not path.is_file():
        raise ValueError(f"mask {path} does not exist: check --dataset-masks")
    mask = decode_mask(path)
    cells = np.ix_(*(nearest_indices(frame, size) for size in mask.object.shape))
    return mask.object[cells], mask.void[cells]


def draw(segmentations: Sequence[Any], height: int, width: int) -> NDArray[np.bool_]:
    """The union of COCO segmentations (polygons, run lengths), (H, W)."""
    mask = np.zeros((height, width), dtype=bool)
    for shape in segmentations:
        if isinstance(shape, dict) and not isinstance(shape["counts"], list):
            codes = [shape]
        else:
            codes = coco_mask.frPyObjects(shape, height, width)
            codes = codes if isinstance(codes, list) else [codes]
        mask |= coco_mask.decode(coco_mask.merge(codes)).astype(bool)
    return mask


def make_records(
    job: Job, entries: Sequence[dict[str, Any]], processes: int
) -> Iterator[ImageRecord]:
    """Records in the order of the entries, with a progress bar."""
    bar = partial(tqdm, total=len(entries), unit="img", desc="maps")
    if processes <= 1:
        yield from bar(map(job, entries))
        return
    # A forked worker has none of OpenCV's threads, so there must be none to wait for.
    cv2.setNumThreads(1)
    with get_context("fork").Pool(processes) as pool:
        yield from bar(pool.imap(job, entries, chunksize=8))
