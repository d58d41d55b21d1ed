"""Refine saved maps with the colours of their images: new maps, boxes and masks.

    python tools/test.py CONFIG CHECKPOINT --dump-maps maps/cam
    python tools/refine_maps.py CONFIG --maps maps/cam --refiners ARM SGRM --out maps/cam_refined

OUT/maps holds the refined maps at the size of the network's input, ready for tools/eval_maps.py
(``--maps OUT/maps --metadata OUT/maps --normalization minmax``); OUT/objects.json is a COCO file
with a box and a run-length mask of each object in the original image and an ``info`` block.

``--refiners`` names parts of a chain: each has the settings that the config's ``model.refiners``
gives it, which ``--cfg-options model.refiners.0.neighbours=8`` reaches, or its defaults where the
config has none. Maps dumped with a seed (``<img_id>.seed.npz``) let SeedSign choose their sides.

Run the same command again after a kill and it continues. Several machines or jobs share the work by
``--rank`` and ``--world-size`` (torchrun and slurm set them); the last to finish writes the json.
"""

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import DictAction
from mmengine.registry import DATASETS, DefaultScope

from wsol_mm.apis.box_files import write_json
from wsol_mm.apis.command import load_config, one_line_errors
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


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config that made the maps: data set and test pipeline")
    parser.add_argument("--maps", type=Path, required=True, help="folder with <img_id>.npy")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument(
        "--refiners",
        nargs="+",
        metavar="NAME",
        help="ARM, SeedSign, SGRM, DenseCRF, in order, as model.refiners has them, else with their "
        "defaults (all of model.refiners)",
    )
    parser.add_argument(
        "--threshold",
        default="otsu",
        help="of boxes and masks: a number in [0, 1), 'otsu' (default) or 'mean'",
    )
    parser.add_argument("--boxes", default="largest", choices=("largest", "all"))
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="on a CPU")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: one process, batches")
    parser.add_argument("--batch-size", type=int, default=64, help="images at once on cuda")
    environment = os.environ
    parser.add_argument(
        "--rank",
        type=int,
        default=int(environment.get("RANK", environment.get("SLURM_PROCID", 0))),
    )
    parser.add_argument(
        "--world-size",
        type=int,
        default=int(environment.get("WORLD_SIZE", environment.get("SLURM_NTASKS", 1))),
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    args.launcher, args.local_rank, args.work_dir = "none", 0, None
    return args


def check_args(args: argparse.Namespace) -> BoxRule:
    """Refuse what cannot work; the rule that boxes and masks follow.

    Raises:
        ValueError: The output exists, or an option has no meaning.
    """
    if (args.out / "objects.json").exists():
        raise ValueError(f"{args.out / 'objects.json'} exists: delete it to make it anew")
    if not 0 <= args.rank < args.world_size:
        raise ValueError(f"--rank {args.rank} is not below --world-size {args.world_size}")
    if args.processes < 1 or args.batch_size < 1:
        raise ValueError("--processes and --batch-size must be positive")
    return BoxRule.parse(
        args.threshold, words=("otsu", "mean"), key="--threshold", components=args.boxes
    )


def run(args: argparse.Namespace) -> str:
    """Refine; returns what to print."""
    rule = check_args(args)
    cfg = load_config(args)
    refiners = chain_configs(cfg, args.refiners)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(unlabelled_dataset(cfg, args.split))
        ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
        info = {
            "maker": f"{Path(args.config).resolve().parent.name}/{Path(args.config).stem}",
            "config": args.config,
            "split": args.split,
            "maps": str(args.maps),
            "maps_sha256": check_maps(args.maps, ids),
            "refiners": refiners,
            "threshold": rule.threshold,
            "threshold_source": rule.source,
            "box_rule": rule.to_dict(),
        }
        job = RefineJob(dataset, args.maps, args.out / "maps", refiners, rule, args.device)
        accelerated = args.device != "cpu"
        start = time.perf_counter()
        done = refine_split(
            job,
            ids,
            args.out / "parts",
            info,
            processes=1 if accelerated else args.processes,
            batch=args.batch_size if accelerated else 1,
            rank=args.rank,
            world_size=args.world_size,
        )
    seconds = time.perf_counter() - start
    if done is None:
        return f"{args.out}: rank {args.rank} is done, others are not"
    copy_lists(args.maps, args.out / "maps")
    content = masks_json(done, info)
    write_json(args.out / "objects.json", content)
    if args.world_size == 1:
        shutil.rmtree(args.out / "parts")
    lines = [f"{args.out}: {len(content['annotations'])} objects in {len(done)} images"]
    lines[0] += f", {seconds:.1f} s in this run"
    for number, refiner in enumerate(refiners):
        facts = [entry["refiners"][number] for entry in done.values() if entry["refiners"]]
        if facts and "turned" in facts[0]:
            turned = sum(fact["turned"] for fact in facts)
            blind = sum(not fact["seed"] for fact in facts)
            lines.append(f"{refiner['type']}: {turned} maps turned, {blind} without a seed")
        if facts and "iterations" in facts[0]:
            steps = np.median([fact["iterations"] for fact in facts])
            fallbacks = sum(bool(fact["fallback"]) for fact in facts)
            lines.append(f"{refiner['type']}: median iterations {steps:g}, {fallbacks} fell back")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        print(run(args))


if __name__ == "__main__":
    main()
