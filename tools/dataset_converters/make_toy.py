"""Draw the toy scenes: train, val and test in CUB-200-2011 layout, with masks.

The same arguments give the same files, byte for byte. The folder appears whole or not at all; one
that is already there is kept when it was drawn with the same arguments.

    python tools/dataset_converters/make_toy.py --out data/toy
"""

import argparse
import json
import os
import shutil
import sys
import uuid
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wsol_mm import __version__
from wsol_mm.apis.command import add_general_options, one_line_errors
from wsol_mm.functional.toy_scenes import Scene, SceneDials, draw_scene, noisy_boxes
from wsol_mm.structures import OBJECT_CLASS

SPLITS = ("train", "val", "test")
CLASS_NAMES = (
    "Red", "Yellow", "Green", "Cyan", "Blue", "Magenta",
    "Rose", "Olive", "Mint", "Azure", "Violet", "Plum",
)  # fmt: skip
RECORD = "toy.json"
FORMAT = 1

DIAL_HELP = {
    "size": "width and height in pixels",
    "classes": "number of classes",
    "context_rho": "probability that the context is the class's own",
    "part_size": "diameter of the class-telling part relative to the body",
    "body_colour": "probability that the body shows the class colour",
    "objects": "largest number of objects in a scene",
    "box_noise": "share of wrong boxes in pseudo_boxes_train.json",
}


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image or fail."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f"cannot write {path}")


def scene_rng(seed: int, split: str, index: int, stream: int = 0) -> np.random.Generator:
    """Return the random source of one scene: no scene depends on how many others are drawn."""
    return np.random.default_rng([seed, SPLITS.index(split), index, stream])


def draw_split(
    root: Path, split: str, count: int, seed: int, dials: SceneDials, layout: "Layout"
) -> list[tuple[str, Scene, np.ndarray]]:
    """Draw one split into a CUB-layout folder; return names, scenes and imitated pseudo boxes."""
    drawn = []
    for index in tqdm(range(count), desc=split, disable=None):
        label = index % dials.classes
        scene = draw_scene(label, dials, scene_rng(seed, split, index))
        name = f"{class_folder(label)}/{split}_{index:05d}.jpg"
        write_image(root / "images" / name, scene.image)
        for number, mask in enumerate(scene.masks):
            stem = name.removesuffix(".jpg")
            write_image(root / "masks" / f"{stem}_{number}.png", mask.astype(np.uint8) * 255)
        layout.add(name, label, split, scene.boxes)
        boxes = noisy_boxes(scene, dials, scene_rng(seed, split, index, stream=1))
        drawn.append((name, scene, boxes))
    return drawn


def class_folder(label: int) -> str:
    """Name of a class, as CUB writes it."""
    return f"{label + 1:03d}.{CLASS_NAMES[label]}"


class Layout:
    """The lists of one CUB-layout folder."""

    def __init__(self, classes: int) -> None:
        self.rows: dict[str, list[str]] = {
            "classes.txt": [f"{k + 1} {class_folder(k)}" for k in range(classes)],
            "images.txt": [],
            "image_class_labels.txt": [],
            "train_test_split.txt": [],
            "bounding_boxes.txt": [],
        }

    def add(self, name: str, label: int, split: str, boxes: np.ndarray) -> None:
        """Add an image with its boxes."""
        image_id = len(self.rows["images.txt"]) + 1
        self.rows["images.txt"].append(f"{image_id} {name}")
        self.rows["image_class_labels.txt"].append(f"{image_id} {label + 1}")
        self.rows["train_test_split.txt"].append(f"{image_id} {int(split == 'train')}")
        for x0, y0, x1, y1 in boxes:
            row = f"{image_id} {x0:.1f} {y0:.1f} {x1 - x0:.1f} {y1 - y0:.1f}"
            self.rows["bounding_boxes.txt"].append(row)

    def write(self, root: Path) -> None:
        """Write all lists."""
        for name, rows in self.rows.items():
            (root / name).write_text("\n".join(rows) + "\n")


def pseudo_box_json(
    drawn: list[tuple[str, Scene, np.ndarray]], record: dict[str, Any]
) -> dict[str, Any]:
    """Return the imitated pseudo boxes of the train split in the format of pseudo_boxes.py."""
    size = record["dials"]["size"]
    images, annotations = [], []
    for image_id, (name, _, boxes) in enumerate(drawn, start=1):
        images.append({"id": image_id, "file_name": name, "width": size, "height": size})
        for x0, y0, x1, y1 in boxes.round(2).tolist():
            width, height = round(x1 - x0, 2), round(y1 - y0, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [x0, y0, width, height],
                    "area": round(width * height, 2),
                    "iscrowd": 0,
                    "score": 1.0,
                }
            )
    info = {
        "maker": "tools/dataset_converters/make_toy.py: true boxes with noise",
        "config": None,
        "checkpoint": None,
        "checkpoint_sha256": None,
        "threshold": None,
        "threshold_source": None,
        "box_rule": {"box_noise": record["dials"]["box_noise"]},
        "split": "train",
        "created_by": f"wsol_mm {__version__}",
    }
    categories = [{"id": 1, "name": OBJECT_CLASS}]
    return {"info": info, "images": images, "categories": categories, "annotations": annotations}


def write_all(root: Path, record: dict[str, Any]) -> None:
    """Draw every split into an empty folder; the record of the arguments comes last."""
    dials, seed, counts = SceneDials(**record["dials"]), record["seed"], record["counts"]
    main, val = Layout(dials.classes), Layout(dials.classes)
    train = draw_split(root, "train", counts["train"], seed, dials, main)
    draw_split(root, "test", counts["test"], seed, dials, main)
    main.write(root)
    draw_split(root / "val", "val", counts["val"], seed, dials, val)
    val.write(root / "val")
    boxes = pseudo_box_json(train, record)
    (root / "pseudo_boxes_train.json").write_text(json.dumps(boxes) + "\n")
    (root / RECORD).write_text(json.dumps(record, indent=2) + "\n")


def make_toy(out: Path, record: dict[str, Any], *, force: bool = False) -> bool:
    """Make the folder `out`, unless it is there and was drawn with the same record.

    Args:
        out: The folder to make.
        record: `seed`, `counts` of the splits and `dials`.
        force: Replace a folder that was drawn with another record.

    Returns:
        Whether anything was drawn.

    Raises:
        ValueError: When `out` holds something else and `force` is off, or when it was not made by
            this tool.
    """
    record = dict(format=FORMAT, **record)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / RECORD).is_file():
            raise ValueError(f"{out} exists and holds no {RECORD}: not toy scenes; choose another")
        try:
            old = json.loads((out / RECORD).read_text())
        except json.JSONDecodeError:
            old = None
        if old == record and not force:
            return False
        if not force:
            raise ValueError(
                f"{out} was drawn with other arguments ({old}): pass --force to redraw"
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        fresh.mkdir()
        write_all(fresh, record)
        if out.exists():
            old_place = fresh.with_suffix(".old")
            os.replace(out, old_place)  # noqa: PTH105 - a rename that may not copy
            os.replace(fresh, out)  # noqa: PTH105
            shutil.rmtree(old_place)
        else:
            os.replace(fresh, out)  # noqa: PTH105
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; a flag for each dial of `SceneDials`."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--seed", type=int, default=0, help="seed of every scene")
    parser.add_argument("--force", action="store_true", help="replace scenes drawn otherwise")
    for split, count in zip(SPLITS, (600, 150, 300), strict=True):
        parser.add_argument(f"--{split}", type=int, default=count, help=f"number of {split} scenes")
    for field in fields(SceneDials):
        flag = "--" + field.name.replace("_", "-")
        kind = type(field.default)
        parser.add_argument(flag, type=kind, default=field.default, help=DIAL_HELP[field.name])
    add_general_options(parser)
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error("--seed must not be negative")
    for split in SPLITS:
        if getattr(args, split) < args.classes:
            parser.error(f"--{split} must be at least --classes, so that no class is missing")
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        dials = SceneDials(
            **{field.name: getattr(args, field.name) for field in fields(SceneDials)}
        )
        counts = {split: getattr(args, split) for split in SPLITS}
        record = {"seed": args.seed, "counts": counts, "dials": asdict(dials)}
        drawn = make_toy(args.out, record, force=args.force)
    total = " + ".join(f"{counts[split]} {split}" for split in SPLITS)
    print(f"{args.out}: {total} scenes " + ("drawn" if drawn else "already there, kept"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
