"""Settings of ARM and SGRM, chosen on val alone.

The maps that trained CAMs draw on the birds' val images are refined with every setting of a grid
and judged by MaxBoxAccV2; ARM first, then SGRM behind what was chosen for it. Nothing is trained,
and the test split is not even read (a test of this module takes it away). ``refiners.json`` keeps
every number; rows of all benches read their settings from there.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import load_checkpoint

from studies.harness.run import chosen_checkpoint, trial_folder
from studies.harness.trial import Trial
from studies.photographs.gallery import config_on_data
from studies.photographs.rows import BENCHES
from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import make_record
from wsol_mm.functional.localization import compute_localization
from wsol_mm.io import atomic_write
from wsol_mm.models.refiners import build_refiners, refine

METRIC = "max_box_acc_v2"
KEPT_METRICS = (METRIC, "gt_known_iou70")
Settings = dict[str, Any]

STOPS = ("pooled", "per_class")
# Most pixels of a map are reliable, about a third of its range, where objects begin.
NARROW = {"low": 0.25, "high": 0.4, "superpixel_low": 0.25, "superpixel_high": 0.35}
# the first wins where another is no better; ARM's is its default: 48 neighbours, 50 times, .3
GRIDS: dict[str, tuple[Settings, ...]] = {
    "ARM": (
        {},
        {"preset": "lcar"},
        *(
            {"neighbours": neighbours, "iterations": iterations, "color_scale": scale}
            for neighbours, iterations, scale in product((8, 48), (10, 50, 200), (0.3, 1.0))
            if (neighbours, iterations, scale) != (48, 50, 0.3)
        ),
    ),
    # at a quarter of the resolution: at full size a setting takes half a minute for each image
    "SGRM": (
        {"train_scale": 0.25},
        *(
            {"train_scale": 0.25, "mask": "vote", "stop": stop, "pivot": pivot}
            for pivot, stop in product((0.5, "mean", "otsu"), STOPS)
        ),
        {"train_scale": 0.25, "mask": "vote", "tolerance": 0.02},
        *({"train_scale": 0.25, "mask": "vote", "stop": stop, **NARROW} for stop in STOPS),
        {"train_scale": 0.25, "mask": "vote", "tolerance": 0.02, **NARROW},
    ),
}


def val_samples(trial: Trial, root: Path) -> list[dict[str, Any]]:
    """Val's images as a trained trial sees them, with its maps.

    Raises:
        FileNotFoundError: The trial is not trained below ``root``.
    """
    folder = trial_folder(trial, root) / "train"
    if not (folder.parent / "trained.json").is_file():
        raise FileNotFoundError(f"{folder.parent.name} is not trained")
    cfg = config_on_data(trial)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build({**cfg.model, "data_preprocessor": cfg.data_preprocessor})
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
    load_checkpoint(model, str(chosen_checkpoint(trial, folder)), map_location="cpu")
    model.eval()
    found = []
    for index in range(len(dataset)):
        item = dataset[index]
        with torch.no_grad():
            (sample,) = model.test_step(pseudo_collate([item]))
        image = item["inputs"].flip(0)  # the pipelines load BGR
        found.append({**sample.to_dict(), "image": image})
    return found


def judge(samples: Sequence[Mapping[str, Any]], chain: Sequence[Settings]) -> dict[str, float]:
    """Numbers of the samples' maps, behind a chain of refiners if there is one."""
    refiners, protocol = build_refiners(chain), get_protocol("wsolevaluation")
    records = []
    for sample in samples:
        maps = sample["pred_maps"][:1]  # of the true class
        if refiners:
            maps, _ = refine(refiners, maps, sample["image"][None])
        first = {"pred_maps": maps, "map_labels": sample["map_labels"][:1]}
        records.append(make_record({**sample, **first}, protocol))
    metrics = compute_localization(records, bootstrap=0)["metrics"]
    return {name: round(metrics[name], 2) for name in KEPT_METRICS}


def choose(
    name: str, before: Sequence[Settings], seeds: Mapping[int, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """The best setting of a refiner's grid behind a chain, and what every setting gave."""
    grid = []
    for settings in GRIDS[name]:
        chain = [*before, {"type": f"wsol_mm.{name}", **settings}]
        grid.append({"settings": settings, **mean_of([judge(s, chain) for s in seeds.values()])})
        print(f"{name} {settings}: {grid[-1]}", flush=True)
    return {"chosen": max(grid, key=lambda entry: entry[METRIC])["settings"], "grid": grid}


def mean_of(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of each number."""
    return {name: round(statistics.mean(one[name] for one in each), 2) for name in each[0]}


def choose_refiners(args: argparse.Namespace, kept: Path) -> int:
    """Choose for ARM, then for SGRM behind it; 1 if no CAM is trained."""
    bench, root = BENCHES["birds"], args.out.resolve()
    seeds = {}
    for seed in args.seeds:
        try:
            seeds[seed] = val_samples(bench.trial(bench.row("CAM"), seed, root / "data"), root)
        except FileNotFoundError as error:
            print(f"left out: seed {seed}: {error}", flush=True)
    if not seeds:
        return 1
    arm = choose("ARM", [], seeds)
    sgrm = choose("SGRM", [{"type": "wsol_mm.ARM", **arm["chosen"]}], seeds)
    found = {
        "seeds": list(seeds),
        "CAM": mean_of([judge(samples, []) for samples in seeds.values()]),
        "ARM": arm,
        "SGRM": sgrm,
    }
    print(json.dumps({name: found[name]["chosen"] for name in GRIDS}))
    if args.keep:
        kept.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept / "refiners.json") as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    return 0
