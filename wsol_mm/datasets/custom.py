"""Your own data without code: COCO json, or class folders with an optional list of boxes."""

import csv
import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.box_file import (
    coco_box,
    coco_categories,
    coco_id,
    coco_images,
    coco_size,
    read_json,
)
from wsol_mm.datasets.folders import class_images, filled_class_folders
from wsol_mm.datasets.lists import Box, box_problem, read_text, to_floats
from wsol_mm.registry import DATASETS


@DATASETS.register_module()
class CocoWSOL(WSOLDataset):
    """Images with one class each, described by a COCO json.

    The class of an image is the key `category_id` of its entry in `images`, or else the one
    category of its annotations; an image with neither is left out, and they are counted. Labels
    count the categories of the training split's json in the order of their ids, and the
    categories of other splits are matched by name. Crowd annotations give a class but no box. Ids
    may be numbers or text, `"7"` being 7.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` or `'test'`.
        ann_file: The json, relative to `data_root`; `{split}` is filled in.
        images: Folder that `file_name` is relative to, itself relative to `data_root`; `{split}` is
            filled in.
        masks: Folder with a mask `NAME.png` for each image `NAME.jpg`, whatever its folder,
            relative to `data_root`, `{split}` filled in; None where there are no masks.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = "set data_root, ann_file and images to where your COCO json and its images are"

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        ann_file: str = "annotations/{split}.json",
        images: str = "{split}",
        masks: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.coco_file = ann_file
        self.images = images
        self.masks = masks
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the json of the split."""
        file = self._file(self.split)
        folder = Path(self.data_root) / self.images.format(split=self.split)
        content = read_json(file, self.HINT)
        images = coco_images(content, file)
        names = coco_categories(content, file)
        labels = {category: label for label, category in enumerate(names)}
        annotations: dict[Any, list[tuple[str, dict[str, Any]]]] = {}
        for number, annotation in enumerate(content["annotations"]):
            place = f"{file}: annotations[{number}] (id {annotation.get('id')})"
            image_id = coco_id(annotation.get("image_id"), f"{place}: image_id")
            if image_id not in images:
                raise ValueError(f"{place}: image_id {image_id} is not in 'images'")
            annotations.setdefault(image_id, []).append((place, annotation))
        entries = []
        without = 0
        for image_id, image in images.items():
            own = annotations.get(image_id, [])
            place = f"{file}: image '{image['file_name']}'"
            category = self._category(image, own, place)
            if category is None:
                without += 1
                continue
            if category not in labels:
                raise ValueError(f"{place}: category_id {category} is not in 'categories'")
            entry: dict[str, Any] = {
                "img_id": image["file_name"],
                "img_path": str(folder / image["file_name"]),
                "gt_label": labels[category],
            }
            if (size := coco_size(image, place)) is not None:
                entry.update(width=size[0], height=size[1])
            if self.reads_truth:
                entry["boxes"] = [
                    coco_box(annotation, at)
                    for at, annotation in own
                    if not annotation.get("iscrowd")
                ]
                if not entry["boxes"] and self.test_mode:
                    raise ValueError(f"{place} has no box in 'annotations'")
                if self.masks is not None:
                    name = Path(image["file_name"]).with_suffix(".png").name
                    masks = Path(self.data_root) / self.masks.format(split=self.split)
                    entry["mask_paths"] = [str(masks / name)]
            entries.append(entry)
        if without:
            print_log(
                f"{file}: {without} of {len(images)} images have no annotation and no "
                "'category_id', so no class; they are left out",
                logger="current",
                level=logging.WARNING,
            )
        return list(names.values()), entries

    def training_classes(self) -> tuple[list[str], str] | None:
        """Categories of the training split's json, in the order of their ids."""
        file = self._file("train")
        if file == self._file(self.split) or not file.is_file():
            return None
        return list(coco_categories(read_json(file, self.HINT), file).values()), str(file)

    def _file(self, split: str) -> Path:
        return Path(self.data_root) / self.coco_file.format(split=split)

    @staticmethod
    def _category(
        image: dict[str, Any], annotations: list[tuple[str, dict[str, Any]]], place: str
    ) -> Any:
        """Return the one category of an image, or None where nothing gives it one."""
        if image.get("category_id") is not None:
            return coco_id(image["category_id"], f"{place}: category_id")
        if not annotations:
            return None
        found = {
            coco_id(annotation.get("category_id"), f"{at}: category_id")
            for at, annotation in annotations
        }
        if len(found) != 1:
            raise ValueError(
                f"{place} has annotations of {len(found)} categories, but needs one class: "
                "add 'category_id' to its entry in 'images'"
            )
        return found.pop()


@DATASETS.register_module()
class FolderWSOL(WSOLDataset):
    """Images in class folders, with an optional csv of boxes.

    Classes are the sorted class folders of the train split; hidden folders are none, and what else
    is left out is counted. The csv has the header `image,x0,y0,x1,y1`, a row for each box, names
    relative to the folder of the split, pixels of the image as a viewer shows it, exclusive end. It
    may be separated by commas, semicolons (numbers then with point or comma) or tabs.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` or `'test'`.
        images: Folder of a split's class folders, relative to `data_root`; `{split}` is filled in.
        boxes: The csv, relative to `data_root`, `{split}` filled in; None where there are no boxes,
            which leaves classification only.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = "set data_root and images so that data_root/images/CLASS/*.jpg exist"
    COLUMNS = ["image", "x0", "y0", "x1", "y1"]

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        images: str = "{split}",
        boxes: str | None = "boxes_{split}.csv",
        **kwargs: Any,
    ) -> None:
        self.images = images
        self.boxes = boxes
        if boxes is None and kwargs.get("supervision") == "boxes":
            raise ValueError("FolderWSOL: supervision='boxes' needs boxes=FILE.csv")
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the folders of the split, and its boxes."""
        root = Path(self.data_root)
        folder = root / self.images.format(split=self.split)
        found = class_images(folder, self.HINT)
        classes = sorted({name for _, name in found})
        labels = {name: label for label, name in enumerate(classes)}
        entries: list[dict[str, Any]] = [
            {"img_id": image, "img_path": str(folder / image), "gt_label": labels[name]}
            for image, name in found
        ]
        if self.reads_truth and self.boxes is not None:
            file = root / self.boxes.format(split=self.split)
            boxes = self._read_boxes(file, {entry["img_id"] for entry in entries})
            for entry in entries:
                if entry["img_id"] not in boxes:
                    raise ValueError(f"{file}: image '{entry['img_id']}' of {folder} has no row")
                entry["boxes"] = boxes[entry["img_id"]]
        return classes, entries

    def training_classes(self) -> tuple[list[str], str] | None:
        """Class folders of the training split."""
        folder = Path(self.data_root) / self.images.format(split="train")
        return filled_class_folders(folder, self.HINT), str(folder)

    def _read_boxes(self, file: Path, known: set[str]) -> dict[str, list[Box]]:
        """Read the csv as `{img_id: boxes}`."""
        header = ",".join(self.COLUMNS)
        text = read_text(file, f"write it with the header {header}, or set boxes=None")
        lines = text.splitlines()
        separator = next((mark for mark in ";\t" if lines and mark in lines[0]), ",")
        reader = csv.reader(lines, delimiter=separator)
        if [name.strip() for name in next(reader, [])] != self.COLUMNS:
            raise ValueError(f"{file}:1: the first line must be '{header}'")
        boxes: dict[str, list[Box]] = {}
        for row in reader:
            place = f"{file}:{reader.line_num}"
            if not row:
                continue
            if len(row) != len(self.COLUMNS):
                raise ValueError(f"{place}: expected {header}, got '{','.join(row)}'")
            if row[0] not in known:
                raise ValueError(f"{place}: image '{row[0]}' is not in the folder of the split")
            numbers = [text.replace(",", ".") for text in row[1:]] if separator == ";" else row[1:]
            box = to_floats(numbers, place, "x0,y0,x1,y1")
            if problem := box_problem(box, None):
                raise ValueError(f"{place}: {problem}")
            boxes.setdefault(row[0], []).append(box)
        return boxes
