"""How right the boxes of pseudo-box files are, how their sizes are off, and whether makers agree.

    python tools/pseudo_box_report.py cam.json c2am.json --config configs/wend/fcos_r50_cub.py
    python tools/pseudo_box_report.py cam.json relabelled.json --out report.json

With ``--config``, a file is compared with the true boxes of its own split of that config's data
set, where it has them; they are read for this report alone. Without, files are compared with each
other. A detector learns the bias of the boxes it is trained on, so this is to be read before
one is trained.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol_mm.apis.command import add_general_options, check_paths, one_line_errors
from wsol_mm.io import atomic_write

if TYPE_CHECKING:
    from wsol_mm.functional.box_agreement import Agreement, Boxes

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
    add_general_options(parser)
    return parser.parse_args(argv)


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
    if args.config:
        check_paths(args.config)
    from wsol_mm.apis.true_boxes import read_boxes, true_boxes
    from wsol_mm.functional.box_agreement import agreement

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
    with one_line_errors(args.debug):
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
