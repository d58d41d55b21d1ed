"""The gallery of the bench: the same test images for every method, with its map and its box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from numpy.typing import NDArray

from studies.harness.run import chosen_checkpoint, trial_folder
from studies.harness.store import finished_result
from studies.harness.trial import LOADERS, Trial, resolved_config
from studies.photographs.rows import Bench, Row
from wsol_mm.apis.class_count import take_classes_from_data
from wsol_mm.apis.localizer import Localizer
from wsol_mm.io import atomic_write
from wsol_mm.visualization.drawing import (
    GROUND_TRUTH,
    PREDICTION,
    draw_boxes,
    image_grid,
    overlay_map,
)

Cell = NDArray[np.uint8]
SIDE = 144  # of a cell, pixels: wide enough for the headings


def config_on_data(trial: Trial) -> Config:
    """The config of a trial's test, on its data and with as many classes as they have."""
    cfg = resolved_config(trial, test=True)
    for loader in LOADERS:
        cfg[loader].dataset.data_root = trial.data_root
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        take_classes_from_data(cfg)
    return cfg


def first_of_each_class(trial: Trial) -> list[dict[str, Any]]:
    """The first test image of every class in the order of the list: nobody chose them by look."""
    settings = {**config_on_data(trial).test_dataloader.dataset, "pipeline": []}
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        dataset = DATASETS.build(settings)
    found: dict[int, dict[str, Any]] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        found.setdefault(int(info["gt_label"]), info)
    return [found[label] for label in sorted(found)]


def column(trial: Trial, images: Sequence[dict[str, Any]], root: Path, kept: Path) -> list[Cell]:
    """Each image under a trained trial's map of its true class, with the box and the true box.

    Raises:
        FileNotFoundError: The training's checkpoint is not below ``root``.
        ValueError: The trial has no result, so that nothing says its threshold.
    """
    result = finished_result(trial, root / "results", kept)
    if result is None:
        raise ValueError(f"{trial.name} seed {trial.seed} has no result: run the bench first")
    checkpoint = chosen_checkpoint(trial, trial_folder(trial, root) / "train")
    localizer = Localizer(config_on_data(trial), str(checkpoint), show_progress=False)
    asked = {str(info["img_path"]): int(info["gt_label"]) for info in images}
    threshold = result["stamp"]["threshold"]["value"]
    found = localizer(list(asked), labels=asked, threshold=threshold)
    cells = []
    for info, localized in zip(images, found, strict=True):
        picture = overlay_map(cv2.cvtColor(localized.read(), cv2.COLOR_RGB2BGR), localized.map)
        picture = draw_boxes(picture, true_boxes(info), GROUND_TRUTH)
        cells.append(draw_boxes(picture, localized.boxes, PREDICTION))
    return cells


def true_boxes(info: dict[str, Any]) -> NDArray[np.float64]:
    """An image's true boxes, (n, 4)."""
    return np.array([one["bbox"] for one in info.get("instances", ())], float).reshape(-1, 4)


def draw_gallery(
    bench: Bench, rows: Sequence[Row], path: Path, *, root: Path, kept: Path, seed: int = 0
) -> int:
    """Write the gallery as jpg: a line for each class, a column for each row; how many columns.

    Beside it, ``<name>_<method>.jpg`` has the images of one method alone, for the page of that
    method; none for what has something behind its maps. A row whose checkpoint is not there is
    said and left out.
    """
    trials = {row.name: bench.trial(row, seed, root / "data") for row in rows}
    images = first_of_each_class(next(iter(trials.values())))
    titles, columns = [], []
    for name, trial in trials.items():
        try:
            columns.append(column(trial, images, root, kept))
            titles.append(name)
        except (FileNotFoundError, ValueError) as error:
            print(f"left out: {name}: {error}")
    if not columns:
        return 0
    plain = [
        draw_boxes(cv2.imread(str(info["img_path"])), true_boxes(info), GROUND_TRUTH)
        for info in images
    ]
    lines = [list(line) for line in zip(plain, *columns, strict=True)]
    write_grid(path, lines, ["image", *titles])
    for name, cells in zip(titles, columns, strict=True):
        if trials[name].test_options:
            continue
        method = Path(trials[name].config).parent.name
        write_grid(
            path.with_name(f"{path.stem}_{method}.jpg"), [cells], [name, *[""] * (len(cells) - 1)]
        )
    return len(titles)


def write_grid(path: Path, lines: list[list[Cell]], titles: list[str]) -> None:
    """Small cells, as jpg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = image_grid(lines, titles, cell=SIDE)
    _, data = cv2.imencode(".jpg", grid, [cv2.IMWRITE_JPEG_QUALITY, 80])
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())
