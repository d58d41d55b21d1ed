"""What refinement does to a localizer's boxes and masks: one table, and three figures.

    python -m studies.refinement CONFIG CHECKPOINT --out work_dirs/refinement \\
        --chain ARM --chain SGRM --chain ARM SGRM

Dumps the maps of the test split (OUT/coarse), refines them by every chain with all cores
(OUT/arm, ...: maps, boxes and masks as tools/refine_maps.py writes them) and compares them in the
original images:

* table.md: GT-known at IoU 0.5, 0.7, 0.8 and 0.9 and the IoU of the masks, each row at the
  threshold that the val split chooses for its own maps (0.5 behind SGRM, whose masks of 0 and 1
  have none to choose), or all at --threshold; for refined maps the difference to the coarse ones,
  with a bootstrap interval over images;
* comparison.jpg: images with their true boxes, then map, box and mask before and after;
* arm.jpg and sgrm.jpg, where the last chain has these refiners: ARM's map by iteration, SGRM's
  labels and predictions by iteration (LCAR's Figures 3 and 4).

The figures show images at equal steps through the split, whatever they look like. Run the same
command again after a kill and it continues. A refiner has its settings in the config's
model.refiners, or its defaults; --cfg-options test_dataloader.dataset.indices=100 takes the first
100 images.
"""

import argparse
import copy
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import DATASETS, DefaultScope

from studies.harness.report import write_block
from studies.refinement.figures import arm_by_iteration, outline, sgrm_by_iteration
from studies.refinement.measure import find, measure, table
from wsol_mm.apis.box_files import file_sha256
from wsol_mm.apis.command import load_config, one_line_errors
from wsol_mm.apis.refinement import chain_configs
from wsol_mm.evaluation.map_files import load_map, load_seed, seed_file
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.io import atomic_write, file_lock
from wsol_mm.models.refiners import ARM, SGRM, build_refiners, refine
from wsol_mm.visualization.drawing import (
    GROUND_TRUTH,
    PREDICTION,
    draw_boxes,
    image_grid,
    overlay_in_frame,
)

TOOLS = Path(__file__).resolve().parents[2] / "tools"
MASK_THRESHOLD = "0.5"  # any is the same for a mask of 0 and 1 at the image's size
ARM_STEPS, SGRM_STEPS = (0, 1, 5, 10, 20, 50), (1, 5, 10, 15, 20)
CELL = 144


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of a localizer")
    parser.add_argument("checkpoint", help="its weights, a file")
    parser.add_argument("--out", type=Path, required=True, help="folder for everything")
    parser.add_argument(
        "--chain",
        nargs="+",
        action="append",
        required=True,
        metavar="NAME",
        help="refiners in order, as --refiners of refine_maps.py; may be given several times",
    )
    parser.add_argument(
        "--threshold",
        default="val",
        help="val (each row's best one on the val split), otsu, mean or a number in [0, 1)",
    )
    parser.add_argument("--images", type=int, default=4, help="rows of the figures")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--write-docs", type=Path, help="document that gets table and figures")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    args.launcher, args.local_rank, args.work_dir = "none", 0, None
    return args


def prepare(args: argparse.Namespace) -> Config:
    """The config, kept in OUT for the tools that follow.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: OUT was made from something else.
    """
    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(f"checkpoint {args.checkpoint} does not exist")
    cfg = load_config(args)
    text = cfg.pretty_text
    made_from = {
        "config": hashlib.sha256(text.encode()).hexdigest(),
        "checkpoint": file_sha256(args.checkpoint),
        "threshold": args.threshold,
    }
    marker = args.out / "made_from.json"
    if marker.is_file() and json.loads(marker.read_text()) != made_from:
        raise ValueError(
            f"{args.out} was made from another config, checkpoint or threshold: delete it or "
            "choose another --out"
        )
    with atomic_write(args.out / "config.py") as temporary:
        temporary.write_text(text)
    with atomic_write(marker) as temporary:
        temporary.write_text(json.dumps(made_from) + "\n")
    return cfg


def make_maps(args: argparse.Namespace, cfg: Config) -> tuple[dict[str, Path], dict[str, str]]:
    """Name of every kind of maps and the folder that holds them; made where they are missing.

    Returns:
        The folders, and each one's threshold: what ``val`` stands for, or ``--threshold`` itself.
    """
    coarse, config = args.out / "coarse", args.out / "config.py"
    folders, thresholds = {"coarse": coarse}, {}
    # The tools inherit the lock: when this process alone is killed, a restart waits for them.
    with file_lock(args.out / ".lock") as lock:

        def run(tool: str, config: Path, *words: object) -> None:
            command = [sys.executable, str(TOOLS / tool), str(config), *map(str, words)]
            print("$ python", *command[1:], flush=True)
            subprocess.run(command, pass_fds=(lock.fileno(),), check=True)

        def test(name: str, config: Path, *words: object) -> str:
            """The threshold of a test; made where its numbers, written last, are missing."""
            numbers = args.out / f"{name}.json"
            if not numbers.is_file():
                head = [args.checkpoint, "--work-dir", args.out / f"test_{name}", "--out", numbers]
                run("test.py", config, *head, "--threshold", args.threshold, *words)
            if args.threshold != "val":
                return args.threshold
            (details,) = json.loads(numbers.read_text())["info"]["details"]
            stamp = json.loads(Path(details).read_text())["stamp"]
            return f"{stamp['threshold']['value']:g}"

        words = ["--cfg-options", "model.refiners=[]"] if cfg.model.get("refiners") else []
        thresholds["coarse"] = test("coarse", config, *words, "--dump-maps", coarse)
        for chain in args.chain:
            name = "_".join(chain).lower()
            out = args.out / name
            threshold = args.threshold
            if threshold == "val":
                refiners = chain_configs(cfg, chain)
                if refiners[-1]["type"] == "wsol_mm.SGRM":
                    threshold = MASK_THRESHOLD
                else:
                    threshold = test(name, with_refiners(cfg, refiners, args.out / f"{name}.py"))
            if not (out / "objects.json").is_file():
                words = ["--maps", coarse, "--out", out, "--refiners", *chain]
                words += ["--threshold", threshold, "--processes", args.processes]
                run("refine_maps.py", config, *words)
            folders[" + ".join(chain)] = out / "maps"
            thresholds[" + ".join(chain)] = threshold
    return folders, thresholds


def with_refiners(cfg: Config, refiners: list[dict[str, Any]], path: Path) -> Path:
    """Write the config with these refiners behind its maps."""
    other = copy.deepcopy(cfg)
    if other.model.type in ("ImageClassifier", "mmpretrain.ImageClassifier"):
        other.model.type = "wsol_mm.WSOLClassifier"  # which is one that takes refiners
    other.model.refiners = refiners
    with atomic_write(path) as temporary:
        temporary.write_text(other.pretty_text)
    return path


def comparison(
    item: dict[str, Any],
    image: np.ndarray,
    folders: dict[str, Path],
    rules: dict[str, BoxRule],
) -> list[np.ndarray]:
    """One row of comparison.jpg: the image with its true boxes, then every map, box and mask."""
    sample = item["data_samples"]
    row = [draw_boxes(image, np.asarray(sample.gt_instances.bboxes, float), GROUND_TRUTH)]
    for name, folder in folders.items():
        score_map = load_map(folder / f"{sample.img_id}.npy")
        found = find(score_map, item, rules[name])
        picture = overlay_in_frame(
            image, score_map.astype(np.float64), sample.img_shape, sample.homography_matrix
        )
        row.append(draw_boxes(outline(picture, found.mask, (255,) * 3), found.boxes, PREDICTION))
    return row


def steps(
    item: dict[str, Any], coarse: Path, chain: Sequence[dict[str, Any]]
) -> dict[str, list[np.ndarray]]:
    """Rows of arm.jpg and sgrm.jpg: what the last chain does to the coarse map of an image."""
    img_id = item["data_samples"].img_id
    maps = torch.from_numpy(load_map(coarse / f"{img_id}.npy"))[None]
    seed = load_seed(seed_file(coarse, img_id))
    seeds = None if seed is None else torch.from_numpy(seed)[None]
    image = np.ascontiguousarray(item["inputs"].permute(1, 2, 0).numpy())  # BGR
    rows = {}
    for refiner in build_refiners(chain):
        if isinstance(refiner, ARM):
            drawn = arm_by_iteration(maps[0].numpy(), image, refiner.settings, ARM_STEPS)
            rows["arm"] = [image, *drawn]
        elif isinstance(refiner, SGRM):
            drawn = sgrm_by_iteration(maps[0].numpy(), image, refiner.settings, SGRM_STEPS)
            rows["sgrm"] = [image, *drawn]
        maps, _ = refine([refiner], maps, item["inputs"].flip(0)[None], seeds)
    return rows


def run(args: argparse.Namespace) -> str:
    """Make everything; returns what to print."""
    BoxRule.parse(args.threshold, words=("val", "otsu", "mean"), key="--threshold")
    cfg = prepare(args)
    chains = [chain_configs(cfg, chain) for chain in args.chain]
    for chain in chains:  # an unknown name fails now, and not behind a test
        build_refiners(chain)
    folders, thresholds = make_maps(args, cfg)
    rules = {
        name: BoxRule.parse(threshold, words=("otsu", "mean"))
        for name, threshold in thresholds.items()
    }
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    total = len(dataset)
    text = table(measure(folders, dataset, rules))
    figures: dict[str, list[list[np.ndarray]]] = {}
    shown = np.linspace(0, total - 1, min(args.images, total)).round().astype(int)
    for index in np.unique(shown):
        item = dataset[index]
        image = mmcv.imread(item["data_samples"].img_path)
        rows = {"comparison": comparison(item, image, folders, rules)}
        for name, row in {**rows, **steps(item, folders["coarse"], chains[-1])}.items():
            figures.setdefault(name, []).append(row)
    titles = {
        "comparison": ["image", *folders],
        "arm": ["image", *(str(count) for count in ARM_STEPS)],
        "sgrm": ["image", "labels", "superpixels", *map(str, SGRM_STEPS), "end"],
    }
    config = Path(args.config).resolve()
    chosen = f"{args.threshold}, the same for all rows"
    if args.threshold == "val":
        chosen = ", ".join(f"{name} {threshold}" for name, threshold in thresholds.items())
        chosen = f"each row's own from val ({MASK_THRESHOLD} for SGRM's masks): {chosen}"
    text += (
        f"\n\nPercent, {total} images of the test split, IoU in the original image. Box: of the "
        f"largest component; mask: everything above the threshold, against all objects. Threshold: "
        f"{chosen}. In brackets: difference to the coarse maps, 95 % interval over images. Config "
        f"{config.parent.name}/{config.stem}; refiners: "
        + "; ".join(" + ".join(map(describe, chain)) for chain in chains)
        + "."
    )
    for name, rows in figures.items():
        with atomic_write(args.out / f"{name}.jpg") as temporary:
            grid = image_grid(rows, titles[name], cell=CELL)
            cv2.imwrite(str(temporary), grid, [cv2.IMWRITE_JPEG_QUALITY, 85])
    with atomic_write(args.out / "table.md") as temporary:
        temporary.write_text(text + "\n")
    if args.write_docs:
        for name in figures:
            target = args.write_docs.with_name(f"{args.write_docs.stem}_{name}.jpg")
            with atomic_write(target) as temporary:
                temporary.write_bytes((args.out / f"{name}.jpg").read_bytes())
        write_block(args.write_docs, "refinement_report", text)
    return f"{text}\n\n{args.out}: table.md, " + ", ".join(f"{name}.jpg" for name in figures)


def describe(refiner: dict[str, Any]) -> str:
    """A refiner and its settings as words.

    >>> describe({"type": "wsol_mm.ARM", "neighbours": 8})
    'ARM (neighbours 8)'
    """
    settings = ", ".join(f"{key} {value}" for key, value in refiner.items() if key != "type")
    return refiner["type"].split(".")[-1] + (f" ({settings})" if settings else "")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        print(run(args))


if __name__ == "__main__":
    main()
