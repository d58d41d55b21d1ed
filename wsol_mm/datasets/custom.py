"""Your own data without code: COCO json, or class folders with an optional list of boxes."""

import csv
from pathlib import Path
from typing import Any

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.box_file import coco_box, coco_images, read_json
from wsol_mm.datasets.folders import class_folders, class_images
from wsol_mm.datasets.lists import Box, box_problem, read_text, to_floats
from wsol_mm.registry import DATASETS


@DATASETS.register_module()
class CocoWSOL(WSOLDataset):
    """Images with one class each, described by a COCO json.

    The class of an image is the key `category_id` of its entry in `images`, or else the one
    category of its annotations. Categories keep the order of their ids. Crowd annotations give a
    class but no box.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` or `'test'`.
        ann_file: The json, relative to `data_root`; `{split}` is filled in.
        images: Folder that `file_name` is relative to, itself relative to `data_root`; `{split}` is
            filled in.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = "set data_root, ann_file and images to where your COCO json and its images are"

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        ann_file: str = "annotations/{split}.json",
        images: str = "{split}",
        **kwargs: Any,
    ) -> None:
        self.coco_file = ann_file
        self.images = images
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the json of the split."""
        root = Path(self.data_root)
        file = root / self.coco_file.format(split=self.split)
        folder = root / self.images.format(split=self.split)
        content = read_json(file, self.HINT)
        images = coco_images(content, file)
        names: dict[int, str] = {}
        for category in content["categories"]:
            if not {"id", "name"} <= category.keys() or category["id"] in names:
                raise ValueError(f"{file}: a category needs a unique 'id' and a 'name': {category}")
            names[category["id"]] = category["name"]
        labels = {category: label for label, category in enumerate(sorted(names))}
        annotations: dict[Any, list[tuple[str, dict[str, Any]]]] = {}
        for number, annotation in enumerate(content["annotations"]):
            place = f"{file}: annotations[{number}] (id {annotation.get('id')})"
            if annotation.get("image_id") not in images:
                raise ValueError(
                    f"{place}: image_id {annotation.get('image_id')} is not in 'images'"
                )
            annotations.setdefault(annotation["image_id"], []).append((place, annotation))
        entries = []
        for image_id, image in images.items():
            own = annotations.get(image_id, [])
            place = f"{file}: image '{image['file_name']}'"
            category = self._category(image, own, place)
            if category not in labels:
                raise ValueError(f"{place}: category_id {category} is not in 'categories'")
            entry: dict[str, Any] = {
                "img_id": image["file_name"],
                "img_path": str(folder / image["file_name"]),
                "gt_label": labels[category],
            }
            if {"width", "height"} <= image.keys():
                entry.update(width=image["width"], height=image["height"])
            if self.reads_truth:
                entry["boxes"] = [
                    coco_box(annotation, at)
                    for at, annotation in own
                    if not annotation.get("iscrowd")
                ]
                if not entry["boxes"]:
                    raise ValueError(f"{place} has no box in 'annotations'")
            entries.append(entry)
        return [names[category] for category in sorted(names)], entries

    @staticmethod
    def _category(
        image: dict[str, Any], annotations: list[tuple[str, dict[str, Any]]], place: str
    ) -> Any:
        """Return the one category of an image."""
        if "category_id" in image:
            return image["category_id"]
        found = {annotation.get("category_id") for _, annotation in annotations}
        if len(found) != 1:
            raise ValueError(
                f"{place} has annotations of {len(found)} categories, but needs one class: "
                "add 'category_id' to its entry in 'images'"
            )
        return found.pop()


@DATASETS.register_module()
class FolderWSOL(WSOLDataset):
    """Images in class folders, with an optional csv of boxes.

    Classes are the sorted class folders of the train split. The csv has the header
    `image,x0,y0,x1,y1`, a row for each box, names relative to the folder of the split, pixels of
    the image file, exclusive end.

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
        classes = class_folders(root / self.images.format(split="train"), self.HINT)
        folder = root / self.images.format(split=self.split)
        entries: list[dict[str, Any]] = [
            {"img_id": name, "img_path": str(folder / name), "gt_label": label}
            for name, label in class_images(folder, classes, self.HINT)
        ]
        if self.reads_truth and self.boxes is not None:
            file = root / self.boxes.format(split=self.split)
            boxes = self._read_boxes(file, {entry["img_id"] for entry in entries})
            for entry in entries:
                if entry["img_id"] not in boxes:
                    raise ValueError(f"{file}: image '{entry['img_id']}' of {folder} has no row")
                entry["boxes"] = boxes[entry["img_id"]]
        return classes, entries

    def _read_boxes(self, file: Path, known: set[str]) -> dict[str, list[Box]]:
        """Read the csv as `{img_id: boxes}`."""
        header = ",".join(self.COLUMNS)
        text = read_text(file, f"write it with the header {header}, or set boxes=None")
        reader = csv.reader(text.splitlines())
        if next(reader, None) != self.COLUMNS:
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
            box = to_floats(row[1:], place, "x0,y0,x1,y1")
            if problem := box_problem(box, None):
                raise ValueError(f"{place}: {problem}")
            boxes.setdefault(row[0], []).append(box)
        return boxes
