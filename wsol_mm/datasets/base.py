"""What every WSOL data set shares: fields, supervision, validation."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from PIL import Image, UnidentifiedImageError

from wsol_mm.datasets.box_file import read_pseudo_boxes
from wsol_mm.datasets.lists import Box, box_problem
from wsol_mm.datasets.mask_file import decode_mask
from wsol_mm.datasets.pixels import decode_image
from wsol_mm.datasets.transforms.loading import own_reader, size_problem
from wsol_mm.structures import SUPERVISION

SPLITS = ("train", "val", "test")


class WSOLDataset(BaseDataset):
    """Base of the WSOL data sets.

    A subclass reads its files in `read_split` and yields entries; this class turns them into the
    fields of the data contract: `img_id` (relative name), `img_path`, `gt_label` (0-based int),
    `instances` (dicts with `bbox` as `x0, y0, x1, y1` in the original image, exclusive end,
    `bbox_label` 0 and `ignore_flag` 0), `mask_paths` and `ignore_path` where the data set has
    masks, `height` and `width` where the lists know them. Boxes and sizes are those of the image as
    a viewer shows it, its EXIF tag obeyed; :class:`wsol_mm.LoadImage`, which stands in for MMCV's
    `LoadImageFromFile` in every pipeline, compares them with the pixels.

    What training may see is explicit. True boxes and masks are read only for evaluation
    (`test_mode=True`) or with `supervision='boxes'`; with `supervision='image'` training items
    have no `instances`; with `supervision='pseudo_boxes'` they come from `pseudo_boxes` only, and
    an image without a pseudo box stays, with `instances=[]`.

    Labels count the classes of the training split, or those that `classes` names, by name: a split
    may lack some of them, and one with an image of another class is refused.

    Args:
        data_root: Folder of the data set.
        split: `'train'`, `'val'` or `'test'`.
        supervision: `'image'`, `'pseudo_boxes'` or `'boxes'`.
        pseudo_boxes: Path of the COCO json made by `tools/pseudo_boxes.py`.
        classes: Names of all classes in label order (default: those of the training split). A
            class by another name in `metainfo` is what a detector is told, not what labels count.
        filter_cfg: `dict(filter_empty_gt=True)` drops images without boxes where boxes are read.
        **kwargs: `pipeline`, `test_mode`, `metainfo`, `indices`, `lazy_init`, `serialize_data` and
            `max_refetch` of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: When a list file or image folder is missing; the message says how to
            get it.
        ValueError: When an argument or an entry of a list is wrong; the message names it.
    """

    #: How to get the data, printed when files are missing.
    HINT = "check data_root"
    #: Whether masks have the size of their image; otherwise its shape up to rounding.
    EXACT_MASKS = True

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        supervision: str = "image",
        pseudo_boxes: str | None = None,
        filter_cfg: dict[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if split not in SPLITS:
            raise ValueError(f"{name}: split must be one of {SPLITS}, got '{split}'")
        if supervision not in SUPERVISION:
            raise ValueError(
                f"{name}: supervision must be one of {SUPERVISION}, got '{supervision}'"
            )
        if supervision == "pseudo_boxes" and pseudo_boxes is None:
            raise ValueError(f"{name}: supervision='pseudo_boxes' needs pseudo_boxes=FILE.json")
        if supervision == "image" and pseudo_boxes is not None:
            raise ValueError(
                f"{name}: pseudo_boxes='{pseudo_boxes}' would not be read: "
                "set supervision='pseudo_boxes'"
            )
        if unknown := set(filter_cfg or {}) - {"filter_empty_gt"}:
            raise ValueError(f"{name}: filter_cfg knows filter_empty_gt only, got {unknown}")
        self.split = split
        self.supervision = supervision
        self.pseudo_boxes = pseudo_boxes
        self.classes = None if classes is None else tuple(classes)
        kwargs["pipeline"] = own_reader(kwargs.get("pipeline", ()))
        super().__init__(data_root=str(data_root), filter_cfg=filter_cfg, **kwargs)

    @property
    def reads_truth(self) -> bool:
        """Whether true boxes and masks are read: for evaluation, or where a config asks for it."""
        return bool(self.test_mode) or self.supervision == "boxes"

    @property
    def CLASSES(self) -> tuple[str, ...] | None:  # noqa: N802 - the name mmpretrain's hooks read
        """Names of the classes."""
        return self._metainfo.get("classes")

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the lists of the split; the one method a data set has to write.

        Returns:
            The names of the split's classes, and an entry for each image: `img_id`, `img_path`,
            `gt_label` (index of these names); `width`, `height` where known; when `reads_truth`
            also `boxes` (list of `x0, y0, x1, y1`) and, with masks, `mask_paths`, `ignore_path`.
        """
        raise NotImplementedError

    def training_classes(self) -> tuple[list[str], str] | None:
        """Classes of the training split in label order, and the file or folder that says so.

        None where `read_split` counts by them as it is, and where there is no training split.
        """
        return None

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read and check the split (called by `full_init`)."""
        root = Path(self.data_root)
        if not root.is_dir():
            raise FileNotFoundError(f"data_root {root} does not exist: {self.HINT}")
        classes, entries = self.read_split()
        if not entries:
            raise ValueError(f"{root}: split '{self.split}' has no images")
        classes = self._number_classes(classes, entries)
        first = Path(entries[0]["img_path"])
        if not first.is_file():
            raise FileNotFoundError(f"image {first} does not exist: {self.HINT}")
        pseudo = self._read_pseudo_boxes(entries)
        seen: set[str] = set()
        every: list[tuple[str, Box]] = []
        for entry in entries:
            img_id = entry["img_id"]
            if img_id in seen:
                raise ValueError(f"{root}: image '{img_id}' occurs twice in '{self.split}'")
            seen.add(img_id)
            boxes = entry.pop("boxes", None)
            if pseudo is not None:
                boxes = pseudo.get(img_id, [])
            if boxes is not None:
                self._check_boxes(boxes, entry)
                every += [(img_id, box) for box in boxes]
                entry["instances"] = [
                    {"bbox": list(map(float, box)), "bbox_label": 0, "ignore_flag": 0}
                    for box in boxes
                ]
        self._check_unit(every)
        return entries

    def _number_classes(self, own: Sequence[str], entries: list[dict[str, Any]]) -> tuple[str, ...]:
        """Count the labels of `entries` by the classes that all splits share, in place.

        Args:
            own: Names that the labels count now.
            entries: As `read_split` returns them.

        Returns:
            The names that they count afterwards; also those of `metainfo` where it has none.

        Raises:
            ValueError: A label without a name, a name that occurs twice, or an image of a class
                that the shared list lacks.
        """
        for entry in entries:
            if not 0 <= entry["gt_label"] < len(own):
                raise ValueError(
                    f"{self.data_root}: image '{entry['img_id']}' has class index "
                    f"{entry['gt_label']}, expected 0 to {len(own) - 1}"
                )
        classes, source = list(own), f"split '{self.split}'"
        if self.classes is not None:
            classes, source = list(self.classes), "the argument 'classes'"
        elif shared := self.training_classes():
            classes, source = shared
        if twice := sorted({name for name in classes if classes.count(name) > 1}):
            raise ValueError(f"{self.data_root}: class '{twice[0]}' occurs twice in {source}")
        index = {name: label for label, name in enumerate(classes)}
        for entry in entries:
            name = own[entry["gt_label"]]
            if name not in index:
                known = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
                raise ValueError(
                    f"{self.data_root}: image '{entry['img_id']}' of split '{self.split}' is of "
                    f"class '{name}', which is none of the {len(classes)} of {source} ({known}): "
                    "take it out, or name all classes with classes=[...]"
                )
            entry["gt_label"] = index[name]
        self._metainfo.setdefault("classes", tuple(classes))
        return tuple(classes)

    def _read_pseudo_boxes(self, entries: list[dict[str, Any]]) -> dict[str, list[Box]] | None:
        """Read the pseudo boxes when this is training data that asks for them."""
        if self.supervision != "pseudo_boxes" or self.test_mode:
            return None
        assert self.pseudo_boxes is not None
        boxes = read_pseudo_boxes(self.pseudo_boxes, {entry["img_id"] for entry in entries})
        if without := len(entries) - len(boxes):
            print_log(
                f"{self.pseudo_boxes}: {without} of {len(entries)} images have no pseudo box",
                logger="current",
            )
        return boxes

    def _check_boxes(self, boxes: Sequence[Box], entry: dict[str, Any]) -> None:
        """Refuse a box without area or outside its image, as far as the lists tell the size."""
        size = (entry["width"], entry["height"]) if "width" in entry else None
        for box in boxes:
            if problem := box_problem(box, size):
                raise ValueError(f"{self.data_root}: image '{entry['img_id']}': {problem}")

    def _check_unit(self, boxes: Sequence[tuple[str, Box]]) -> None:
        """Refuse boxes in shares of the image; warn of those smaller than a pixel."""
        if boxes and (largest := max(max(box) for _, box in boxes)) <= 1:
            raise ValueError(
                f"{self.data_root}: no box of split '{self.split}' goes beyond {largest:g} px, so "
                "they are shares of the image: multiply them by its width and height"
            )
        tiny = [name for name, (x0, y0, x1, y1) in boxes if min(x1 - x0, y1 - y0) < 1]
        if tiny:
            print_log(
                f"{self.data_root}: {len(tiny)} of {len(boxes)} boxes of split '{self.split}' are "
                f"narrower than a pixel, the first in '{tiny[0]}'; boxes are pixels, not shares",
                logger="current",
                level=logging.WARNING,
            )

    def filter_data(self) -> list[dict[str, Any]]:
        """Drop images without boxes where `filter_cfg` asks for it."""
        if not (self.filter_cfg or {}).get("filter_empty_gt"):
            return self.data_list
        kept = [info for info in self.data_list if info.get("instances", True)]
        if not kept:
            raise ValueError(f"{self.data_root}: filter_empty_gt leaves no image")
        return kept

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the class of an image as a list, for class-balanced sampling."""
        return [self.get_data_info(idx)["gt_label"]]

    def check_item(self, idx: int) -> list[str]:
        """As :meth:`inspect_item`, without the notes."""
        return self.inspect_item(idx)[0]

    def inspect_item(self, idx: int) -> tuple[list[str], list[str]]:
        """Decode one image with its masks and compare them with the lists.

        Args:
            idx: Index of the item.

        Returns:
            One line for each problem: an unreadable or truncated file, a size that differs, a box
            outside its image. And, the same text for each file of a kind, what is unclear: images
            that EXIF tags turn, of many bits, masks of many values.
        """
        info = self.get_data_info(idx)
        path, notes = info["img_path"], []
        try:
            turned, bits, size = _inspect_image(path)
        except ValueError as error:
            return [str(error)], []
        listed = (info["width"], info["height"]) if "width" in info else size
        problems = [size_problem(size, listed, turned)]
        problems += [box_problem(each["bbox"], size) for each in info.get("instances", [])]
        problems = [f"{path}: {problem}" for problem in problems if problem]
        if turned:
            notes.append("images are turned by their EXIF tag; boxes are taken as a viewer shows")
        if bits > 8:
            notes.append(f"images have values of {bits} bits, scaled to 8")
        mask_sizes = set()
        for mask_path in [*info.get("mask_paths", []), *filter(None, [info.get("ignore_path")])]:
            try:
                mask = decode_mask(mask_path)
            except (ValueError, OSError) as error:
                problems.append(str(error))
                continue
            if mask.note:
                notes.append(f"masks: {mask.note}")
            mask_size = mask.object.shape[::-1]
            if not _same_shape(mask_size, size, exact=self.EXACT_MASKS):
                problems.append(
                    f"{mask_path}: mask of {mask_size}, its image has {size} (width, height)"
                )
            mask_sizes.add(mask_size)
        if len(mask_sizes) > 1:
            problems.append(f"{path}: its masks differ in size: {sorted(mask_sizes)}")
        return problems, notes


def _inspect_image(path: str) -> tuple[bool, int, tuple[int, int]]:
    """Whether EXIF turns an image, its bits, and its (width, height) as a viewer shows it.

    Raises:
        ValueError: It is missing, not an image, or damaged; OpenCV fills what is cut off with grey.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: the file does not exist")
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.load()
    except Image.DecompressionBombError:
        pass  # OpenCV reads it
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not an image") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error}); fetch the file again") from None
    decoded = decode_image(path)
    return decoded.turned, decoded.bits, decoded.bgr.shape[1::-1]


def _same_shape(mask: tuple[int, int], image: tuple[int, int], *, exact: bool) -> bool:
    """Whether a mask fits its image: the same size, or the same aspect ratio up to 2 percent."""
    if exact:
        return mask == image
    ratio = mask[0] * image[1] / (mask[1] * image[0])
    return bool(np.isclose(ratio, 1.0, atol=0.02))
