"""Refine the saved maps of a split: the files and the summary around :mod:`.refinement`."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from wsol_mm.apis.box_files import write_json
from wsol_mm.apis.pseudo_boxes import unlabelled_dataset
from wsol_mm.apis.refinement import (
    RefineJob,
    chain_configs,
    check_maps,
    copy_lists,
    masks_json,
    refine_split,
)
from wsol_mm.functional.box_rule import BoxRule


@dataclass(frozen=True)
class Refined:
    """What a run of :func:`refine_maps` left.

    Attributes:
        content: Of ``objects.json``; None while other ranks are not done.
        summary: Lines about objects, seconds and what refiners did.
    """

    content: dict[str, Any] | None
    summary: list[str]


def refine_maps(
    config: str | Path | Config,
    maps: str | Path,
    out: str | Path,
    *,
    refiners: Sequence[str] | None = None,
    split: Literal["train", "val", "test"] = "test",
    threshold: str | float = "otsu",
    components: Literal["largest", "all"] = "largest",
    processes: int | None = None,
    device: str = "cpu",
    batch_size: int = 64,
    rank: int = 0,
    world_size: int = 1,
) -> Refined:
    """Refine the saved maps of a split: new maps in ``out/maps``, boxes and masks of objects.

    The same call continues what a kill cut off; ranks need not run at the same time, and the last
    one writes ``out/objects.json``, a COCO file with boxes and run-length masks.

    Args:
        config: Whose data set the maps are of, and whose ``model.refiners`` is the chain.
        maps: Folder of the maps, as ``tools/test.py --dump-maps`` writes it.
        out: Folder to write to.
        refiners: Names of the parts wanted; all of the config's if None.
        split: Whose maps they are.
        threshold: Of boxes and masks: a number in [0, 1), ``otsu`` or ``mean``.
        components: Parts of a map that are objects: ``largest`` or ``all``.
        processes: Workers on a CPU; all cores if None.
        device: ``cpu``, or ``cuda``: one process, batches.
        batch_size: Images at once on ``cuda``.
        rank: This rank.
        world_size: Number of ranks.

    Returns:
        Content of the json, and a summary.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: The output exists, a map is missing, or an argument has no meaning.
    """
    maps, out = Path(maps), Path(out)
    processes = os.cpu_count() or 1 if processes is None else processes
    if (out / "objects.json").exists():
        raise ValueError(f"{out / 'objects.json'} exists: delete it to make it anew")
    if not 0 <= rank < world_size:
        raise ValueError(f"--rank {rank} is not below --world-size {world_size}")
    if processes < 1 or batch_size < 1:
        raise ValueError("--processes and --batch-size must be positive")
    words = ("otsu", "mean")
    rule = BoxRule.parse(threshold, words=words, key="--threshold", components=components)
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    name = Path(cfg.filename or "config.py")
    chain = chain_configs(cfg, refiners)
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
        dataset = DATASETS.build(unlabelled_dataset(cfg, split))
        ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
        info = {
            "maker": f"{name.resolve().parent.name}/{name.stem}",
            "config": cfg.filename,
            "split": split,
            "maps": str(maps),
            "maps_sha256": check_maps(maps, ids),
            "refiners": chain,
            "threshold": rule.threshold,
            "threshold_source": rule.source,
            "box_rule": rule.to_dict(),
        }
        job = RefineJob(dataset, maps, out / "maps", chain, rule, device)
        start = time.perf_counter()
        done = refine_split(
            job,
            ids,
            out / "parts",
            info,
            processes=processes if device == "cpu" else 1,
            batch=1 if device == "cpu" else batch_size,
            rank=rank,
            world_size=world_size,
        )
    seconds = time.perf_counter() - start
    if done is None:
        return Refined(None, [f"{out}: rank {rank} is done, others are not"])
    copy_lists(maps, out / "maps")
    content = masks_json(done, info)
    write_json(out / "objects.json", content)
    if world_size == 1:
        shutil.rmtree(out / "parts")
    objects = len(content["annotations"])
    head = f"{out}: {objects} objects in {len(done)} images, {seconds:.1f} s in this run"
    return Refined(content, [head, *_facts(chain, done)])


def _facts(chain: Sequence[Mapping[str, Any]], done: Mapping[str, dict[str, Any]]) -> list[str]:
    """What refiners that keep count did."""
    lines = []
    for number, refiner in enumerate(chain):
        facts = [entry["refiners"][number] for entry in done.values() if entry["refiners"]]
        if facts and "turned" in facts[0]:
            turned = sum(fact["turned"] for fact in facts)
            blind = sum(not fact["seed"] for fact in facts)
            lines.append(f"{refiner['type']}: {turned} maps turned, {blind} without a seed")
        if facts and "iterations" in facts[0]:
            steps = np.median([fact["iterations"] for fact in facts])
            fallbacks = sum(bool(fact["fallback"]) for fact in facts)
            lines.append(f"{refiner['type']}: median iterations {steps:g}, {fallbacks} fell back")
    return lines
