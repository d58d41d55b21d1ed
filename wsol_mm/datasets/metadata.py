"""The metadata lists of the reference WSOL evaluator.

A folder holds `image_ids.txt`, `class_labels.txt`, `image_sizes.txt` and `localization.txt`, comma
separated and without headers. Ids keep their extension; labels count from 0. Boxes are taken as
written (`x0,y0,x1,y1`), so that an evaluation protocol sees the numbers of the reference.
"""

from pathlib import Path
from typing import Any

from wsol_mm.datasets.lists import (
    Box,
    box_problem,
    read_mapping,
    read_rows,
    to_floats,
    to_int,
)


def read_metadata(
    lists: Path, images: Path, *, hint: str, boxes: bool = False, masks: Path | None = None
) -> list[dict[str, Any]]:
    """Read the lists of one split.

    Args:
        lists: Folder of the lists.
        images: Folder that image ids are relative to.
        hint: How to get the files, printed when one is missing.
        boxes: Read boxes (and sizes, where the list has them); every image needs one.
        masks: Read masks; the folder that their names are relative to.

    Returns:
        Entries as :meth:`WSOLDataset.read_split` returns them.

    Raises:
        FileNotFoundError: When a list is missing.
        ValueError: On a malformed line, a duplicate or unknown id, or an id without its line.
    """
    ids: dict[str, str] = {}
    for place, (name,) in read_rows(lists / "image_ids.txt", ("image_id",), hint):
        if name in ids:
            raise ValueError(f"{place}: duplicate image_id '{name}', first at {ids[name]}")
        ids[name] = place
    labels_file = lists / "class_labels.txt"
    labels = read_mapping(labels_file, ("image_id", "label"), hint, separator=",")
    _check_known(labels, ids, lists)
    entries: dict[str, dict[str, Any]] = {}
    for name, place in ids.items():
        if name not in labels:
            raise ValueError(f"{place}: image '{name}' has no line in {labels_file}")
        label, label_place = labels[name]
        entries[name] = {
            "img_id": name,
            "img_path": str(images / name),
            "gt_label": to_int(label, label_place, "label"),
        }
    if boxes:
        _add_sizes(entries, lists, hint)
        _add_boxes(entries, ids, lists, hint)
    if masks is not None:
        _add_masks(entries, ids, lists, masks, hint)
    return list(entries.values())


def _check_known(table: dict[str, tuple[str, str]], ids: dict[str, str], lists: Path) -> None:
    """Refuse names that `image_ids.txt` lacks."""
    for name, (_, place) in table.items():
        if name not in ids:
            raise ValueError(f"{place}: image '{name}' is not in {lists / 'image_ids.txt'}")


def _add_sizes(entries: dict[str, dict[str, Any]], lists: Path, hint: str) -> None:
    """Add width and height; the lists of some splits leave them out."""
    columns = ("image_id", "width", "height")
    seen: set[str] = set()
    for place, (name, width, height) in read_rows(
        lists / "image_sizes.txt", columns, hint, separator=","
    ):
        if name not in entries:
            raise ValueError(f"{place}: image '{name}' is not in {lists / 'image_ids.txt'}")
        if name in seen:
            raise ValueError(f"{place}: duplicate image_id '{name}'")
        seen.add(name)
        if width and height:
            size = to_int(width, place, "width"), to_int(height, place, "height")
            if min(size) < 1:
                raise ValueError(f"{place}: width and height must be positive, got {size}")
            entries[name].update(width=size[0], height=size[1])


def _add_boxes(
    entries: dict[str, dict[str, Any]], ids: dict[str, str], lists: Path, hint: str
) -> None:
    """Add the boxes of `localization.txt`."""
    file = lists / "localization.txt"
    columns = ("image_id", "x0", "y0", "x1", "y1")
    for place, (name, *numbers) in read_rows(file, columns, hint, separator=","):
        if name not in entries:
            raise ValueError(f"{place}: image '{name}' is not in {lists / 'image_ids.txt'}")
        entry = entries[name]
        box: Box = to_floats(numbers, place, "x0,y0,x1,y1")
        size = (entry["width"], entry["height"]) if "width" in entry else None
        if problem := box_problem(box, size):
            raise ValueError(f"{place}: {problem}")
        entry.setdefault("boxes", []).append(box)
    _check_complete(entries, ids, file, "boxes")


def _add_masks(
    entries: dict[str, dict[str, Any]],
    ids: dict[str, str],
    lists: Path,
    masks: Path,
    hint: str,
) -> None:
    """Add the masks of `localization.txt`: the ignore mask stands on an image's first line."""
    file = lists / "localization.txt"
    columns = ("image_id", "mask", "ignore_mask")
    for place, (name, mask, ignore) in read_rows(file, columns, hint, separator=","):
        if name not in entries:
            raise ValueError(f"{place}: image '{name}' is not in {lists / 'image_ids.txt'}")
        if not mask:
            raise ValueError(f"{place}: the mask name is empty")
        entry = entries[name]
        if "mask_paths" not in entry:
            entry["mask_paths"] = []
            entry["ignore_path"] = str(masks / ignore) if ignore else None
        elif ignore:
            raise ValueError(f"{place}: only the first line of an image may name an ignore mask")
        entry["mask_paths"].append(str(masks / mask))
    _check_complete(entries, ids, file, "mask_paths")


def _check_complete(
    entries: dict[str, dict[str, Any]], ids: dict[str, str], file: Path, key: str
) -> None:
    """Refuse an image without truth."""
    for name, entry in entries.items():
        if key not in entry:
            raise ValueError(f"{ids[name]}: image '{name}' has no line in {file}")
