"""Refine the saved maps of a split: new maps, boxes and masks, by many processes, after any kill.

Each image is finished by an atomically written map and then one line in a part file, so a killed
run continues where it was. What becomes of an image depends on the image, its map and the
refiners' settings alone: not on processes, ranks, order or kills.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from pycocotools import mask as coco_mask
from torch.utils.data import Dataset
from tqdm import tqdm

from wsol_mm.apis.box_files import coco_json, finished
from wsol_mm.evaluation.map_files import load_map, load_seed, seed_file
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.functional.masks import to_original_mask
from wsol_mm.io import atomic_write
from wsol_mm.models.refiners import build_refiners, refine

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LISTS = ("image_ids", "class_labels", "image_sizes", "localization")


def chain_configs(cfg: Config, names: Sequence[str] | None) -> list[dict[str, Any]]:
    """Configs of a chain of refiners.

    Args:
        cfg: Its ``model.refiners`` is the chain, unless there are names.
        names: Registered names, ``wsol_mm.`` may be left out. One that ``model.refiners`` has keeps
            the settings there, another one its defaults.

    Raises:
        ValueError: There is none, or the config has two of a name.
    """
    chain = [dict(refiner) for refiner in cfg.get("model", {}).get("refiners") or []]
    if not chain and not names:
        raise ValueError("the config has no model.refiners: name some with --refiners ARM SGRM")
    if not names:
        return chain
    chosen = []
    for name in names:
        kind = name if "." in name else f"wsol_mm.{name}"
        found = [refiner for refiner in chain if refiner["type"] == kind]
        if len(found) > 1:
            raise ValueError(f"--refiners {name}: model.refiners has {len(found)} of them")
        chosen.append(found[0] if found else {"type": kind})
    return chosen


def check_maps(folder: Path, ids: Sequence[str]) -> str:
    """Refuse a folder that lacks a map; the hash of maps and seeds, in the order of ``ids``.

    Raises:
        ValueError: With examples of what is missing.
    """
    missing = [img_id for img_id in ids if not (folder / f"{img_id}.npy").is_file()]
    if missing:
        examples = ", ".join(missing[:3])
        raise ValueError(
            f"{folder}: {len(missing)} of {len(ids)} maps are missing, for example {examples}; "
            "tools/test.py --dump-maps writes them"
        )
    seeds = [file for file in (seed_file(folder, img_id) for img_id in ids) if file.is_file()]
    if seeds and len(seeds) < len(ids):
        raise ValueError(
            f"{folder}: {len(ids) - len(seeds)} of {len(ids)} maps lack the .seed.npz that others "
            "have; dump the maps anew"
        )
    digest = hashlib.sha256()
    for file in [*(folder / f"{img_id}.npy" for img_id in ids), *seeds]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


class RefineJob:
    """Refines one image; what a worker process runs.

    Args:
        dataset: Items with the test pipeline.
        maps: Folder of the raw maps, ``<img_id>.npy``, with seeds where the localizer has such.
        out: Folder for the refined ones.
        refiners: Configs of the chain.
        box_rule: From a map to boxes and masks.
        device: Where refiners run.
    """

    def __init__(
        self,
        dataset: Dataset,
        maps: Path,
        out: Path,
        refiners: Sequence[dict[str, Any]],
        box_rule: BoxRule,
        device: str = "cpu",
    ) -> None:
        self.dataset, self.maps, self.out = dataset, maps, out
        self.refiners = build_refiners(refiners)
        self.box_rule, self.device = box_rule, device

    def __call__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Refine a few images, at once if they have one size; their lines for the part file."""
        items = [self.dataset[index] for index in indices]
        maps = [load_map(self.maps / f"{item['data_samples'].img_id}.npy") for item in items]
        seeds = [load_seed(seed_file(self.maps, item["data_samples"].img_id)) for item in items]
        images = [item["inputs"].flip(0) for item in items]  # the pipelines load BGR
        alike = len({(m.shape, i.shape) for m, i in zip(maps, images, strict=True)}) == 1
        groups = [range(len(items))] if alike else [[row] for row in range(len(items))]
        lines = []
        for group in groups:
            seed = [seeds[row] for row in group if seeds[row] is not None]
            refined, facts = refine(
                self.refiners,
                torch.from_numpy(np.stack([maps[row] for row in group])).to(self.device),
                torch.stack([images[row] for row in group]).to(self.device),
                torch.from_numpy(np.stack(seed)).to(self.device) if seed else None,
            )
            for row, score_map, found in zip(group, refined.cpu().numpy(), facts, strict=True):
                sample = items[row]["data_samples"]
                with atomic_write(self.out / f"{sample.img_id}.npy") as temporary:
                    np.save(temporary, score_map)
                lines.append({**self.objects(score_map, sample), "refiners": found})
        return lines

    def objects(self, score_map: np.ndarray, sample: Any) -> dict[str, Any]:
        """Boxes and masks of a map that lies over the network's input, in the original image."""
        size = tuple(int(side) for side in sample.ori_shape)
        matrix = np.asarray(sample.homography_matrix)
        masks, boxes = self.box_rule.masks(score_map)
        if not len(boxes):  # nothing stands out: the object is the whole image
            height, width = score_map.shape
            masks, boxes = np.ones((1, height, width), bool), np.array([[0.0, 0, width, height]])
        boxes = to_original_frame(boxes, matrix, size)
        kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        segmentations = []
        for mask in masks[kept]:
            original = to_original_mask(mask, matrix, size)
            code = coco_mask.encode(np.asfortranarray(original, dtype=np.uint8))
            segmentations.append({"size": list(size), "counts": code["counts"].decode()})
        return {
            "img_id": sample.img_id,
            "width": size[1],
            "height": size[0],
            "boxes": boxes[kept].tolist(),
            "segmentations": segmentations,
        }


def refine_split(
    job: RefineJob,
    ids: Sequence[str],
    parts: Path,
    stamp: dict[str, Any],
    *,
    processes: int = 1,
    batch: int = 1,
    rank: int = 0,
    world_size: int = 1,
) -> dict[str, dict[str, Any]] | None:
    """Refine this rank's share of the images that no part file holds yet.

    Args:
        job: The work.
        ids: Names of all images, in the data set's order.
        parts: Folder of the part files.
        stamp: Identifies the settings; first line of each part.
        processes: Single-threaded worker processes; an accelerator takes one.
        batch: Images that a worker takes at once.
        rank: This rank.
        world_size: Number of ranks; they need not run at the same time.

    Returns:
        Lines of all images by name, in order; None while other ranks' are missing.

    Raises:
        ValueError: The parts come from other settings.
    """
    parts.mkdir(parents=True, exist_ok=True)
    done = finished(parts, stamp)
    todo = [index for index in range(len(ids))[rank::world_size] if ids[index] not in done]
    chunks = [todo[first : first + batch] for first in range(0, len(todo), batch)]
    run = len(list(parts.glob(f"rank{rank}-*.jsonl")))
    with (parts / f"rank{rank}-{run}.jsonl").open("w") as part:
        part.write(json.dumps(stamp) + "\n")
        bar = tqdm(total=len(todo), unit="img", desc="refine", disable=rank != 0)
        for lines in _work(job, chunks, processes):
            for line in lines:
                part.write(json.dumps(line) + "\n")
            part.flush()
            bar.update(len(lines))
        bar.close()
    done = finished(parts, stamp)
    if any(img_id not in done for img_id in ids):
        return None
    for leftover in job.out.rglob(".*.tmp.npy"):  # of a kill in the middle of a write
        leftover.unlink(missing_ok=True)
    return {img_id: done[img_id] for img_id in ids}


def masks_json(done: dict[str, dict[str, Any]], info: dict[str, Any]) -> dict[str, Any]:
    """COCO dictionary of boxes with masks as run-length codes.

    Args:
        done: Lines of :func:`refine_split`.
        info: Provenance.

    Returns:
        As :func:`wsol_mm.apis.box_files.coco_json`, each annotation with ``segmentation`` and
        the mask's ``area``.
    """
    content = coco_json(done, info)
    codes = [code for entry in done.values() for code in entry["segmentations"]]
    for annotation, code in zip(content["annotations"], codes, strict=True):
        annotation |= {"segmentation": code, "area": int(coco_mask.area(code))}
    return content


def copy_lists(maps: Path, out: Path) -> None:
    """Put the evaluator's lists, where the raw maps have them, beside the refined maps."""
    for name in LISTS:
        if (maps / f"{name}.txt").is_file():
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(maps / f"{name}.txt", out / f"{name}.txt")


def prepare_worker() -> None:
    """Make this process one of several that share the cores: one thread, memory kept.

    By default glibc gives arrays of some megabytes back to the system and asks for them again.
    Measured on SGRM (six iterations, two images of 375 x 333, three processes of each kind in turn,
    medians): 4.9 s of CPU time against 6.0 without the two calls, 71 000 page faults against
    222 000, at most 1.02 GB of memory against 1.10.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def _work(
    job: RefineJob, chunks: Sequence[Sequence[int]], processes: int
) -> Iterator[list[dict[str, Any]]]:
    """Lines of all chunks, as they are finished. One thread each: more would change rounding."""
    if processes <= 1:
        threads = torch.get_num_threads()
        prepare_worker()
        try:
            yield from map(job, chunks)
        finally:
            torch.set_num_threads(threads)
        return
    # Autograd refuses to run in a fork of a process that has used it, so a fresh one is forked.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(processes, _take_job, (job,)) as pool:
        yield from pool.imap_unordered(_run_job, chunks)


_JOBS: list[RefineJob] = []  # a worker's one job, sent once and not with every chunk


def _take_job(job: RefineJob) -> None:
    prepare_worker()
    _JOBS[:] = [job]


def _run_job(indices: Sequence[int]) -> list[dict[str, Any]]:
    return _JOBS[0](indices)
