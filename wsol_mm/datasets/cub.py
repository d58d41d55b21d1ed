"""CUB-200-2011 in its official layout, CUBV2 as its val split."""

from pathlib import Path
from typing import Any

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.lists import (
    Box,
    box_problem,
    read_mapping,
    read_rows,
    to_floats,
    to_int,
)
from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.registry import DATASETS


@DATASETS.register_module()
class CUB(WSOLDataset):
    """CUB-200-2011 (Wah et al., Caltech 2011), whole or any subset of it in the same layout.

    `data_root` holds `images/`, `images.txt`, `image_class_labels.txt`, `classes.txt`,
    `train_test_split.txt` and, where boxes are read, `bounding_boxes.txt` (x, y, width, height).
    Class ids may be any subset: labels count the ids of `classes.txt` in order, from 0.

    The val split lies elsewhere, in `val_root`: either a folder in this same layout, all of whose
    images are val, or CUBV2 with the metadata lists of the reference evaluator; images of
    classes that `classes.txt` lacks are left out.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` or `'test'`.
        val_root: Folder of the val images, absolute or relative to `data_root`.
        val_metadata: Folder of the val lists when they lie apart from the images, absolute or
            relative to `data_root`.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = (
        "get CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158 and unpack it, "
        "so that data_root holds images.txt and images/"
    )
    VAL_HINT = (
        "get the CUBV2 images and the lists of metadata/CUB/val from "
        "https://github.com/clovaai/wsolevaluation, or name another val_root"
    )
    #: Whether an image may have several rows in `bounding_boxes.txt`.
    SEVERAL_BOXES = False

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        val_root: str = "../CUBV2",
        val_metadata: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.val_root = val_root
        self.val_metadata = val_metadata
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the lists of the split."""
        root = Path(self.data_root)
        class_ids = self._read_classes(root)
        names = [name for name, _ in class_ids.values()]
        if self.split != "val":
            return names, self._read_layout(root, class_ids, part=self.split)
        val_root = root / self.val_root
        if (val_root / "images.txt").is_file():
            self._check_same_classes(class_ids, val_root)
            return names, self._read_layout(val_root, class_ids, part=None)
        lists = root / self.val_metadata if self.val_metadata else val_root
        entries = read_metadata(lists, val_root, boxes=self.reads_truth, hint=self.VAL_HINT)
        # The lists count all 200 classes from 0: their label is the official id less one.
        labels = {official - 1: label for label, official in enumerate(class_ids)}
        kept = [entry for entry in entries if entry["gt_label"] in labels]
        for entry in kept:
            entry["gt_label"] = labels[entry["gt_label"]]
        return names, kept

    def _read_classes(self, root: Path) -> dict[int, tuple[str, str]]:
        """Return `{official class id: (name, place)}` in order of the ids."""
        table = read_mapping(root / "classes.txt", ("class_id", "class_name"), self.HINT)
        ids = {
            to_int(key, place, "class_id"): (name, place) for key, (name, place) in table.items()
        }
        return dict(sorted(ids.items()))

    def _check_same_classes(self, class_ids: dict[int, tuple[str, str]], other: Path) -> None:
        """Refuse a folder whose own `classes.txt` gives an id another name."""
        if not (other / "classes.txt").is_file():
            return
        for official, (name, place) in self._read_classes(other).items():
            known = class_ids.get(official, (name, ""))
            if known[0] != name:
                raise ValueError(
                    f"{place}: class id {official} is '{name}', but '{known[0]}' at {known[1]}: "
                    "both lists must number the classes alike"
                )

    def _read_layout(
        self, root: Path, class_ids: dict[int, tuple[str, str]], part: str | None
    ) -> list[dict[str, Any]]:
        """Read a folder in CUB layout: its train or test part, or all of it."""
        images = read_mapping(root / "images.txt", ("image_id", "image_name"), self.HINT)
        labels = read_mapping(root / "image_class_labels.txt", ("image_id", "class_id"), self.HINT)
        chosen = images
        if part is not None:
            file = root / "train_test_split.txt"
            flags = read_mapping(file, ("image_id", "is_training_image"), self.HINT)
            for image_id, (flag, place) in flags.items():
                if flag not in ("0", "1"):
                    raise ValueError(f"{place}: is_training_image must be 0 or 1, got '{flag}'")
                self._check_known(image_id, images, place)
            for image_id, (_, place) in images.items():
                if image_id not in flags:
                    raise ValueError(f"{place}: image id {image_id} has no line in {file}")
            wanted = "1" if part == "train" else "0"
            chosen = {key: value for key, value in images.items() if flags[key][0] == wanted}
        for image_id, (_, place) in labels.items():
            self._check_known(image_id, images, place)
        boxes = self._read_boxes(root, images) if self.reads_truth else None
        to_label = {official: label for label, official in enumerate(class_ids)}
        entries = []
        for image_id, (name, place) in chosen.items():
            if image_id not in labels:
                raise ValueError(
                    f"{place}: image id {image_id} has no line in {root / 'image_class_labels.txt'}"
                )
            text, label_place = labels[image_id]
            official = to_int(text, label_place, "class_id")
            if official not in to_label:
                raise ValueError(
                    f"{label_place}: class id {official} is not in "
                    f"{Path(self.data_root) / 'classes.txt'}"
                )
            entry: dict[str, Any] = {
                "img_id": name,
                "img_path": str(root / "images" / name),
                "gt_label": to_label[official],
            }
            if boxes is not None:
                if image_id not in boxes:
                    raise ValueError(
                        f"{place}: image id {image_id} has no line in {root / 'bounding_boxes.txt'}"
                    )
                entry["boxes"] = boxes[image_id]
            entries.append(entry)
        return entries

    @staticmethod
    def _check_known(image_id: str, images: dict[str, tuple[str, str]], place: str) -> None:
        """Refuse an id that `images.txt` lacks."""
        if image_id not in images:
            raise ValueError(f"{place}: image id {image_id} is not in images.txt")

    def _read_boxes(self, root: Path, images: dict[str, tuple[str, str]]) -> dict[str, list[Box]]:
        """Read `bounding_boxes.txt` as `{image id: boxes}` with ends instead of sizes."""
        boxes: dict[str, list[Box]] = {}
        columns = ("image_id", "x", "y", "width", "height")
        for place, fields in read_rows(root / "bounding_boxes.txt", columns, self.HINT):
            image_id = fields[0]
            self._check_known(image_id, images, place)
            if image_id in boxes and not self.SEVERAL_BOXES:
                raise ValueError(f"{place}: duplicate image_id '{image_id}'")
            x, y, width, height = to_floats(fields[1:], place, "x y width height")
            box = [x, y, x + width, y + height]
            if problem := box_problem(box, None):
                raise ValueError(f"{place}: {problem}")
            boxes.setdefault(image_id, []).append(box)
        return boxes
