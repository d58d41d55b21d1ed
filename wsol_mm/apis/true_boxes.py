"""Boxes of a pseudo-box file and the true ones, side by side: to judge them, never to train."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from wsol_mm.datasets.box_file import coco_box, coco_images, read_json
from wsol_mm.functional.box_agreement import Boxes

HINT = "make it with tools/pseudo_boxes.py"


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


def true_boxes(config: str | Path, split: str, data_root: str | Path | None = None) -> Boxes:
    """True boxes of a split of a config's data set, those that it has.

    Raises:
        ValueError: The data set has no box in this split.
    """
    cfg = Config.fromfile(config)
    dataset = cfg[f"{split}_dataloader"].dataset.to_dict()
    for key in ("pseudo_boxes", "filter_cfg"):
        dataset.pop(key, None)
    if data_root:
        dataset["data_root"] = str(data_root)
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
