"""ILSVRC-2012 from class folders with XML boxes, or from the reference evaluator's lists."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.folders import class_images, filled_class_folders
from wsol_mm.datasets.lists import Box, read_mapping, read_rows, to_floats, to_int
from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.registry import DATASETS


@DATASETS.register_module()
class ILSVRC(WSOLDataset):
    """ILSVRC-2012 (Russakovsky et al., IJCV 2015) for localization, ImageNetV2 as its val split.

    A split with lists in `<metadata>/<split>/` is read from them; ids are relative to
    `data_root`, as in `val2/0/0.jpeg`. Any other split is read from class folders named by WordNet
    id (`train/n01440764/*.JPEG`, `val/n01440764/*.JPEG` for test) with the official XML
    files, of whose objects only those of the image's own class count. ImageNetV2 has no XML: the
    val split needs the lists. Its files were renamed upstream after the lists were made;
    `<metadata>/val/mapping.txt` with lines `0/0.jpeg, 0/a31041fd.jpeg` maps the ids to the new
    names.

    Only part of the train images have XML boxes; where true boxes are read for training, the
    others keep `instances=[]`. A test image without a box is an error.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` (ImageNetV2) or `'test'` (the official validation images).
        metadata: Folder of the lists, absolute or relative to `data_root`.
        folders: Class-folder roots, relative to `data_root`.
        xml_folders: XML roots, relative to `data_root`; files lie directly in them or in class
            folders.
        classes_file: Lines `n01440764 tench`, in label order, relative to `data_root`; by default
            `classes.txt` where there is one, else the sorted class folders of the train split.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = (
        "get ILSVRC2012 from https://image-net.org (train and val images in class folders, the "
        "bounding-box XML files), or set data_root, folders and xml_folders"
    )
    VAL_HINT = (
        "get ImageNetV2 (matched-frequency) as data_root/val2 and metadata/ILSVRC/val from "
        "https://github.com/clovaai/wsolevaluation; its images were renamed since: mapping.txt of "
        "that repository's pull request 53, put beside the lists, maps them"
    )

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        metadata: str = "metadata",
        folders: Mapping[str, str] = {"train": "train", "test": "val"},
        xml_folders: Mapping[str, str] = {
            "train": "Annotations/train",
            "test": "Annotations/val",
        },
        classes_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.metadata = metadata
        self.folders = dict(folders)
        self.xml_folders = dict(xml_folders)
        self.classes_file = classes_file
        if split == "val":
            self.HINT = self.VAL_HINT
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the split from its lists, or from class folders."""
        root = Path(self.data_root)
        lists = root / self.metadata / self.split
        if self.split == "val" or lists.is_dir():
            return self._read_lists(root, lists)
        wnids, names = self._read_classes(root)
        labels = {wnid: label for label, wnid in enumerate(wnids)}
        folder = self.folders[self.split]
        entries = []
        for image, wnid in class_images(root / folder, self.HINT):
            if wnid not in labels:
                raise ValueError(
                    f"{root / folder / wnid}: '{wnid}' is not one of the {len(wnids)} known "
                    "classes (the class folders of the train split, or the lines of classes_file)"
                )
            path = str(root / folder / image)
            entries.append(
                {"img_id": f"{folder}/{image}", "img_path": path, "gt_label": labels[wnid]}
            )
        if self.reads_truth:
            for entry in entries:
                self._add_boxes(entry, root, wnids[entry["gt_label"]])
        return names, entries

    def _classes_file(self, root: Path) -> Path | None:
        """The list of classes that was asked for, or the one that is there."""
        if self.classes_file is not None:
            return root / self.classes_file
        return root / "classes.txt" if (root / "classes.txt").is_file() else None

    def _read_classes(self, root: Path) -> tuple[list[str], list[str]]:
        """WordNet ids and names of the classes, in label order; a shared name gets its id."""
        classes_file = self._classes_file(root)
        if classes_file is None:
            wnids = filled_class_folders(root / self.folders["train"], self.HINT)
            return wnids, wnids
        wnids, names = [], []
        for place, (line,) in read_rows(classes_file, ("wnid name",), self.HINT):
            wnid, _, name = line.partition(" ")
            if wnid in wnids:
                raise ValueError(f"{place}: duplicate class '{wnid}'")
            wnids.append(wnid)
            names.append(name or wnid)
        # ImageNet has two cranes: the bird and the machine
        shared = {name for name, count in Counter(names).items() if count > 1}
        unique = [
            f"{name} ({wnid})" if name in shared else name
            for name, wnid in zip(names, wnids, strict=True)
        ]
        return wnids, unique

    def _read_lists(self, root: Path, lists: Path) -> tuple[list[str], list[dict[str, Any]]]:
        """Read a split from the reference evaluator's lists."""
        entries = read_metadata(lists, root, boxes=self.reads_truth, hint=self.HINT)
        count = max(entry["gt_label"] for entry in entries) + 1
        source = self._classes_file(root) or root / self.folders["train"]
        if source.exists():
            names = self._read_classes(root)[1]
            if len(names) < count:  # a part of the split may lack the last ones
                raise ValueError(
                    f"{lists / 'class_labels.txt'} counts {count} classes, {source} has "
                    f"{len(names)}: give lists of the same classes"
                )
        else:
            names = [f"class {label}" for label in range(count)]
        mapping = lists / "mapping.txt"
        if mapping.is_file():
            table = read_mapping(mapping, ("old name", "new name"), self.HINT, separator=",")
            for entry in entries:
                folder, _, old = entry["img_id"].partition("/")
                if old not in table:
                    raise ValueError(f"{mapping}: no line for '{old}' of image_ids.txt")
                entry["img_path"] = str(root / folder / table[old][0])
        return names, entries

    def _add_boxes(self, entry: dict[str, Any], root: Path, wnid: str) -> None:
        """Add the boxes of the image's own class, and its size, from the official XML."""
        name = Path(entry["img_id"]).with_suffix(".xml").name
        folder = root / self.xml_folders[self.split]
        file = folder / wnid / name
        if not file.is_file():
            file = folder / name
        if not file.is_file():
            if self.split == "test":
                raise FileNotFoundError(
                    f"{file} does not exist, so '{entry['img_id']}' has no box: {self.HINT}"
                )
            entry["boxes"] = []
            return
        size, objects = read_xml(file)
        entry["boxes"] = [box for label, box in objects if label == wnid]
        entry.update(width=size[0], height=size[1])
        if self.split == "test" and not entry["boxes"]:
            raise ValueError(f"{file} has no object of the image's class {wnid}")


def read_xml(file: Path) -> tuple[tuple[int, int], list[tuple[str, Box]]]:
    """Read an XML annotation in the Pascal VOC form.

    Args:
        file: The XML file.

    Returns:
        Width and height of the image, and the class name and `x0, y0, x1, y1` box of each object,
        as written.

    Raises:
        ValueError: When the file is not XML or lacks a field; the message names both.
    """
    try:
        tree = ElementTree.parse(file)
    except ElementTree.ParseError as error:
        raise ValueError(f"{file} is not valid XML: {error}") from None

    def text(node: ElementTree.Element, path: str) -> str:
        found = node.findtext(path)
        if found is None:
            raise ValueError(f"{file}: <{node.tag}> has no <{path}>")
        return found.strip()

    root = tree.getroot()
    width, height = (
        to_int(text(root, f"size/{key}"), str(file), key) for key in ("width", "height")
    )
    objects = []
    for node in root.iter("object"):
        ends = [text(node, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        objects.append((text(node, "name"), to_floats(ends, str(file), "bndbox")))
    return (width, height), objects
