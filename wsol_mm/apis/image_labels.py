"""Images with one class each: class folders, a csv, or a COCO json without boxes."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsol_mm.datasets.custom import CocoWSOL, FolderWSOL
from wsol_mm.datasets.lists import read_text

_COLUMNS = ("image", "label")


@dataclass(frozen=True)
class LabelledImages:
    """Images of a folder and their classes.

    Attributes:
        folder: What names are relative to.
        classes: Names of the classes.
        images: (name, index of the class) of each image.
    """

    folder: Path
    classes: tuple[str, ...]
    images: tuple[tuple[str, int], ...]


def read_class_folders(folder: Path) -> LabelledImages:
    """``folder/CLASS/*.jpg``; classes are sorted by name.

    Raises:
        FileNotFoundError, ValueError: As :class:`wsol_mm.FolderWSOL`.
    """
    return _of(FolderWSOL(str(folder), images=".", boxes=None), folder)


def read_coco_classes(folder: Path, file: Path) -> LabelledImages:
    """A COCO json whose images have a ``category_id``, or annotations of one category.

    Raises:
        FileNotFoundError, ValueError: As :class:`wsol_mm.CocoWSOL`.
    """
    return _of(CocoWSOL(str(folder), ann_file=str(file.resolve()), images="."), folder)


def read_label_csv(folder: Path, file: Path) -> LabelledImages:
    """A csv with the header ``image,label``; separated by commas, semicolons or tabs.

    Raises:
        FileNotFoundError: The csv or an image is missing.
        ValueError: Another header, a row of another length, or an image that comes twice.
    """
    text = read_text(file, "write it with the header image,label").removeprefix("\ufeff")
    lines = text.splitlines()
    separator = next((sign for sign in ";\t" if lines and sign in lines[0]), ",")
    reader = csv.reader(lines, delimiter=separator)
    header = [name.strip().lower() for name in next(reader, [])]
    if not set(_COLUMNS) <= set(header):
        raise ValueError(f"{file}:1: the first line must name the columns image and label")
    image_at, label_at = (header.index(name) for name in _COLUMNS)
    rows: dict[str, str] = {}
    for row in reader:
        if not any(row):
            continue
        place = f"{file}:{reader.line_num}"
        if len(row) != len(header):
            raise ValueError(f"{place}: expected {len(header)} fields, got {len(row)}")
        name, label = row[image_at].strip(), row[label_at].strip()
        if not label:
            raise ValueError(f"{place}: image '{name}' has no label")
        if name in rows:
            raise ValueError(f"{place}: image '{name}' comes twice; one class each is needed")
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{place}: image {folder / name} does not exist")
        rows[name] = label
    if not rows:
        raise ValueError(f"{file} has no rows")
    classes = tuple(sorted(set(rows.values())))
    images = tuple((name, classes.index(label)) for name, label in rows.items())
    return LabelledImages(folder, classes, images)


def match_classes(wanted: Sequence[str], known: Sequence[str]) -> dict[int, int]:
    """Classes that a model knows by name.

    Numbers in front, underscores and capitals do not matter; of synonyms one is enough.

    Args:
        wanted: Names of the data's classes.
        known: Names of the model's classes.

    Returns:
        Index in ``wanted`` -> index in ``known``, of those that are in both.

    Example:
        >>> match_classes(["001.Tiger_cat", "Zebu"], ["tabby, tabby cat", "tiger cat"])
        {0: 1}
    """
    index: dict[str, int] = {}
    for position, name in enumerate(known):
        for part in (name, *name.split(",")):
            index.setdefault(_plain(part), position)
    return {
        position: index[_plain(name)]
        for position, name in enumerate(wanted)
        if _plain(name) in index
    }


def _plain(name: str) -> str:
    return " ".join(re.sub(r"^\d+[._ -]", "", name.strip()).replace("_", " ").lower().split())


def _of(dataset: FolderWSOL | CocoWSOL, folder: Path) -> LabelledImages:
    items = [dataset.get_data_info(index) for index in range(len(dataset))]
    images = tuple((item["img_id"], int(item["gt_label"])) for item in items)
    return LabelledImages(folder, tuple(dataset.metainfo["classes"]), images)
