"""RetinaNet on boxes that tools/label.py made from classes alone, beside the same on true boxes.

    python -m studies.labelling.retinanet --data-root data/CUB_200_2011

The classes of the training birds go into a csv, tools/label.py makes their boxes, and the config of
docs/label.md is trained on them and on the true boxes; both are tested on the test birds with
their true boxes. Finished parts are not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.harness.report import write_block
from wsol_mm.io import atomic_write

if TYPE_CHECKING:
    from wsol_mm.datasets import CUB

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "label.md"
COCO_COLUMNS = {"coco/bbox_mAP_50": "AP50", "coco/bbox_mAP": "AP"}


def config_of_the_page(page: Path = DOCS) -> str:
    """The config that docs/label.md shows."""
    (found,) = re.findall(r"```python\n(import json.*?)```", page.read_text("utf-8"), re.S)
    return found


def true_boxes(data: CUB) -> dict[str, Any]:
    """COCO json of a split with its true boxes and classes."""
    import cv2

    images, annotations = [], []
    for number in range(len(data)):
        item = data.get_data_info(number)
        height, width = cv2.imread(item["img_path"]).shape[:2]
        name = Path(item["img_path"]).relative_to(Path(data.data_root) / "images").as_posix()
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for instance in item["instances"]:
            x0, y0, x1, y1 = instance["bbox"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(item["gt_label"]) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    classes = [{"id": i + 1, "name": name} for i, name in enumerate(data.metainfo["classes"])]
    return {"images": images, "annotations": annotations, "categories": classes}


def prepare(root: Path, work: Path) -> None:
    """Write the csv of the training birds' classes, and the true boxes of both splits."""
    from wsol_mm.datasets import CUB

    work.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        content = true_boxes(CUB(str(root), split=split, supervision="boxes"))
        with atomic_write(work / f"true_{split}.json") as temporary:
            temporary.write_text(json.dumps(content))
        if split == "train":
            names = {entry["id"]: entry["name"] for entry in content["categories"]}
            files = {entry["id"]: entry["file_name"] for entry in content["images"]}
            rows = [
                (files[entry["image_id"]], names[entry["category_id"]])
                for entry in content["annotations"]
            ]
            with (work / "train.csv").open("w", newline="") as file:
                csv.writer(file).writerows([("image", "label"), *rows])


def run(*command: str | Path) -> None:
    """One of our tools, in the repository."""
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=ROOT)


def train_and_test(root: Path, work: Path, name: str, options: list[str]) -> dict[str, float]:
    """Percent by metric of the RetinaNet that was trained on ``<name>.json``."""
    folder = work / f"retinanet_{name}"
    numbers = folder / "numbers.json"
    if not numbers.is_file():
        folder.mkdir(exist_ok=True)
        config = folder / "retinanet.py"
        images = f"{(root / 'images').resolve()}/"
        text = config_of_the_page()
        for old, new in (
            ('"photographs/"', repr(images)),
            ('"test_photographs/"', repr(images)),
            ('"boxes.json"', repr(str((work / f"{name}.json").resolve()))),
            ('"true_boxes.json"', repr(str((work / "true_test.json").resolve()))),
        ):
            text = text.replace(old, new)
        config.write_text(text)
        run("tools/train.py", config, "--work-dir", folder, *options)
        last = max(folder.glob("epoch_*.pth"), key=lambda path: path.stat().st_mtime)
        out = ("--work-dir", folder / "test", "--out", numbers)
        run("tools/test.py", config, last, *out, *options)
    return json.loads(numbers.read_text())


def quality(made: dict[str, Any], true: dict[str, Any]) -> float:
    """Percent of the training images whose made box reaches IoU .5 with the true one."""
    from wsol_mm.functional.boxes import box_iou

    corners: dict[str, dict[str, list[float]]] = {"made": {}, "true": {}}
    for kind, content in (("made", made), ("true", true)):
        files = {entry["id"]: entry["file_name"] for entry in content["images"]}
        for entry in content["annotations"]:
            x, y, width, height = entry["bbox"]
            corners[kind][files[entry["image_id"]]] = [x, y, x + width, y + height]
    good = [
        name in corners["made"] and box_iou([corners["made"][name]], [box]).item() >= 0.5
        for name, box in corners["true"].items()
    ]
    return 100 * sum(good) / len(good)


def main() -> None:
    """Prepare, label, train twice, test twice, print, write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="CUB-200-2011 or a part")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/labelled"))
    parser.add_argument("--docs", type=Path, default=DOCS, help="document with the table")
    parser.add_argument("--cfg-options", nargs="+", default=[], help="of both trainings and tests")
    args = parser.parse_args()
    work, words = args.work_dir, {"labels": "boxes of `tools/label.py`", "true_train": "true boxes"}
    prepare(args.data_root, work)
    labels = work / "labels.json"
    if not labels.is_file():
        images, names = args.data_root.resolve() / "images", (work / "train.csv").resolve()
        run("tools/label.py", images, "--csv", names, "--out", labels.resolve())
    made, true = (json.loads((work / f"{name}.json").read_text()) for name in words)
    right = {"labels": quality(made, true), "true_train": 100.0}
    options = ["--cfg-options", *args.cfg_options] if args.cfg_options else []
    lines = ["| trained on | its boxes at IoU .5 | AP50 | AP |", "|---|---|---|---|"]
    for name, word in words.items():
        numbers = train_and_test(args.data_root, work, name, options)
        cells = " | ".join(f"{100 * numbers.get(key, 0.0):.1f}" for key in COCO_COLUMNS)
        lines.append(f"| {word} | {right[name]:.1f} % | {cells} |")
    images = len(true["images"])
    shown = ", ".join(f"`{option}`" for option in args.cfg_options)
    schedule = f", with {shown} to take less time" if shown else ""
    text = "\n".join(
        [
            f"{len(true['categories'])} classes of birds, {images} training images, one seed"
            f"{schedule}; AP with classes on the test images with their true boxes:",
            "",
            *lines,
        ]
    )
    print(text)
    write_block(args.docs, "retinanet", text)


if __name__ == "__main__":
    main()
