"""How right the boxes of pseudo-box files are, how their sizes are off, and whether makers agree.

    python tools/pseudo_box_report.py cam.json c2am.json --config configs/wend/fcos_r50_cub.py
    python tools/pseudo_box_report.py cam.json relabelled.json --out report.json

With ``--config``, a file is compared with the true boxes of its own split of that config's data
set, where it has them; they are read for this report alone. Without, files are compared with each
other. A detector learns the bias of the boxes it is trained on, so this is to be read before
one is trained.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from wsol_mm.apis.command import one_line_errors
from wsol_mm.datasets.box_file import coco_box, coco_images, read_json
from wsol_mm.functional.box_agreement import Agreement, Boxes, agreement
from wsol_mm.io import atomic_write

HINT = "make it with tools/pseudo_boxes.py"
COLUMNS = {
    "images": "images",
    "missing": "without a box",
    "mean_iou": "mean IoU",
    "iou30": "IoU .3",
    "iou50": "IoU .5",
    "iou70": "IoU .7",
    "area_ratio": "area ratio",
    "width_ratio": "width",
    "height_ratio": "height",
    "shorter": "smaller",
    "iou50_small": "IoU .5, small third",
    "iou50_middle": "middle",
    "iou50_large": "large",
}
RATIOS = ("area_ratio", "width_ratio", "height_ratio")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", help="COCO jsons of pseudo boxes")
    parser.add_argument("--config", help="config whose data set has the true boxes")
    parser.add_argument("--data-root", help="another data_root for that data set")
    parser.add_argument("--out", type=Path, help="json file to write")
    return parser.parse_args(argv)


def read_boxes(path: Path) -> tuple[Boxes, dict[str, Any]]:
    """Boxes of a file by image, best scored first, and its ``info``.

    Raises:
        ValueError: The file is no COCO json.
    """
    content = read_json(path, HINT)
    images = coco_images(content, path)
    rows: dict[str, list[tuple[float, list[float]]]] = {
        entry["file_name"]: [] for entry in images.values()
    }
    for number, entry in enumerate(content["annotations"]):
        place = f"{path}: annotations[{number}]"
        if entry.get("image_id") not in images:
            raise ValueError(f"{place}: image_id {entry.get('image_id')} is not in 'images'")
        name = images[entry["image_id"]]["file_name"]
        rows[name].append((-float(entry.get("score", 1.0)), coco_box(entry, place)))
    boxes = {}
    for name, found in rows.items():
        order = sorted(range(len(found)), key=lambda at, found=found: found[at][0])
        boxes[name] = np.array([found[at][1] for at in order]).reshape(-1, 4)
    return boxes, dict(content.get("info") or {})


def true_boxes(config: str, split: str, data_root: str | None) -> Boxes:
    """True boxes of a split of a config's data set, those that it has.

    Raises:
        ValueError: The data set has no box in this split.
    """
    cfg = Config.fromfile(config)
    dataset = cfg[f"{split}_dataloader"].dataset.to_dict()
    for key in ("pseudo_boxes", "filter_cfg"):
        dataset.pop(key, None)
    if data_root:
        dataset["data_root"] = data_root
    dataset |= {"pipeline": [], "supervision": "boxes", "test_mode": False}
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")):
        found = DATASETS.build(dataset)
    truth = {}
    for index in range(len(found)):
        info = found.get_data_info(index)
        rows = [instance["bbox"] for instance in info.get("instances", ())]
        truth[info["img_id"]] = np.array(rows, dtype=float).reshape(-1, 4)
    if not any(map(len, truth.values())):
        raise ValueError(f"{config}: its data set has no true box in split '{split}'")
    return truth


def counts(boxes: Boxes) -> str:
    """What a file holds."""
    numbers = [len(rows) for rows in boxes.values()]
    empty = sum(not number for number in numbers)
    return f"{sum(numbers)} boxes, {len(numbers)} images, {empty} without a box"


def line(title: str, found: Agreement) -> str:
    """A row of the table."""
    cells = [title]
    for key in COLUMNS:
        value = getattr(found, key)
        digits = 2 if key in RATIOS else 0 if isinstance(value, int) else 1
        cells.append("" if value != value else f"{value:.{digits}f}")
    return "| " + " | ".join(cells) + " |"


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare, print, and return what ``--out`` gets."""
    files = {str(path): read_boxes(path) for path in args.files}
    for path, (boxes, info) in files.items():
        maker = info.get("maker", "not named")
        print(f"{path}: {counts(boxes)}; maker {maker}, threshold {info.get('threshold')}")
    rows: list[tuple[str, str, Agreement]] = []
    if args.config:
        truths: dict[str, Boxes] = {}
        for path, (boxes, info) in files.items():
            split = info.get("split", "train")
            if split not in truths:
                truths[split] = true_boxes(args.config, split, args.data_root)
            rows.append((path, f"true boxes of {split}", agreement(boxes, truths[split])))
    for first, second in permutations(files, 2):
        rows.append((first, second, agreement(files[first][0], files[second][0])))
    print("\n| boxes, against | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for first, second, found in rows:
        print(line(f"{first}, {second}", found))
    print(
        "\nPercent of images but for counts and ratios. Ratios are geometric means over images "
        "whose boxes overlap: below 1 boxes are too small. Thirds are by the area of the box "
        "compared with."
    )
    listed = [{"boxes": a, "against": b, **found.to_dict()} for a, b, found in rows]
    return {"files": {path: info for path, (_, info) in files.items()}, "agreement": listed}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors():
        if len(args.files) < 2 and not args.config:
            raise ValueError(
                "one file alone has nothing to be compared with: add --config or files"
            )
        content = run(args)
        if args.out:
            with atomic_write(args.out) as temporary:
                temporary.write_text(json.dumps(content, indent=1))
            print(f"{args.out} written")


if __name__ == "__main__":
    main()
