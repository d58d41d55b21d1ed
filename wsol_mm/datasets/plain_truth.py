"""Ground truth for maps made elsewhere: metadata lists, a COCO json, or a plain folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from wsol_mm.datasets.box_file import coco_box, coco_images, read_json
from wsol_mm.datasets.folders import IMAGE_SUFFIXES
from wsol_mm.datasets.ilsvrc import read_xml
from wsol_mm.datasets.lists import Box, box_problem, to_floats
from wsol_mm.datasets.metadata import read_metadata

_LISTS = "the lists are image_ids, class_labels, image_sizes and localization .txt"
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def read_truth(
    path: Path,
    ids: Sequence[str] | None,
    *,
    masks: Path | None = None,
    images: Path | None = None,
) -> list[dict[str, Any]]:
    """Read the truth of a split, whatever form it has.

    Args:
        path: One of: a folder with the reference evaluator's four lists; a COCO json, whose
            segmentations count where every annotation has one; a folder with a mask image
            (``<id>.png``, foreground is not 0), a Pascal VOC ``<id>.xml`` or a ``<id>.txt`` of
            boxes for each image, ``<id>`` with the image's extension or without it.
        ids: Names of the maps; None takes all images that the truth knows.
        masks: Root of the mask images of lists that name masks.
        images: Folder of the images, whose sizes ``.txt`` boxes need. A line holds
            ``x0 y0 x1 y1`` in pixels, spaces or commas between them.

    Returns:
        An entry per image: ``img_id``, ``gt_label``; ``width``, ``height`` and ``boxes``; or, and
        with COCO's segmentations also, ``mask_paths`` and ``ignore_path``, or ``segmentations``.
        Labels of a plain folder are its first folders, or all 0.

    Raises:
        FileNotFoundError: There is nothing, or a part is missing.
        ValueError: Malformed, or images and truth are not the same; the message names one.
    """
    if path.suffix == ".json":
        return read_coco(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder and no COCO json")
    if masks or any((path / f"{name}.txt").is_file() for name in ("image_ids", "localization")):
        return read_lists(path, masks)
    return read_folder(path, ids, images)


def read_lists(metadata: Path, masks: Path | None) -> list[dict[str, Any]]:
    """Entries of the reference evaluator's lists.

    Raises:
        FileNotFoundError: A list is missing.
        ValueError: Malformed lists, or boxes without a size.
    """
    file = metadata / "localization.txt"
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: {_LISTS}")
    lines = file.read_text().split(maxsplit=1)
    if masks is None and lines and lines[0].rsplit(",", 1)[-1].endswith(".png"):
        raise ValueError(f"{metadata} lists masks: say where they are with --dataset-masks")
    entries = read_metadata(metadata, Path(), hint=_LISTS, boxes=masks is None, masks=masks)
    for entry in entries:
        if masks is None and "width" not in entry:
            raise ValueError(f"{metadata / 'image_sizes.txt'} has no size for '{entry['img_id']}'")
    return entries


def read_coco(path: Path) -> list[dict[str, Any]]:
    """Entries of a COCO json: boxes, and masks where every annotation has a segmentation.

    The class of an image is its ``category_id``, or the one category of its annotations.

    Raises:
        ValueError: An image without size, annotation or a class of its own.
    """
    content = read_json(path, "name a COCO json")
    images = coco_images(content, path)
    categories = sorted(category["id"] for category in content["categories"])
    labels = {category: label for label, category in enumerate(categories)}
    objects: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in images}
    for number, entry in enumerate(content["annotations"]):
        if entry.get("image_id") not in objects:
            raise ValueError(
                f"{path}: annotations[{number}]: image_id {entry.get('image_id')} is not in "
                "'images'"
            )
        if not entry.get("iscrowd"):
            objects[entry["image_id"]].append(entry)
    drawn = all(entry.get("segmentation") for own in objects.values() for entry in own)
    entries = []
    for image_id, image in images.items():
        place, own = f"{path}: image '{image['file_name']}'", objects[image_id]
        kinds = {entry.get("category_id") for entry in own}
        category = image.get("category_id", next(iter(kinds)) if len(kinds) == 1 else None)
        if not own or category not in labels:
            raise ValueError(
                f"{place}: {len(own)} objects of {len(kinds)} categories; it needs an object, and "
                "one category or a 'category_id' of its own"
            )
        if not image.get("width") or not image.get("height"):
            raise ValueError(f"{place} needs width and height")
        found: dict[str, Any] = {
            "img_id": image["file_name"],
            "gt_label": labels[category],
            "width": int(image["width"]),
            "height": int(image["height"]),
            "boxes": [coco_box(entry, place) for entry in own],
        }
        if drawn:
            found["segmentations"] = [entry["segmentation"] for entry in own]
        entries.append(found)
    return entries


def read_folder(
    folder: Path, ids: Sequence[str] | None, images: Path | None
) -> list[dict[str, Any]]:
    """Entries of a folder with one file of truth for each image.

    Raises:
        ValueError: A map without truth, truth without a map, or masks beside boxes.
    """
    suffixes = {*IMAGE_SUFFIXES, ".xml", ".txt"}
    files = {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    }
    matched = {
        img_id: next((name for name in (img_id, _stem(img_id)) if name in files), None)
        for img_id in ids or files
    }
    lacking = [img_id for img_id, name in matched.items() if name is None]
    spare = sorted(files.keys() - set(matched.values()))
    for kind, names in (("maps without truth", lacking), ("files without a map", spare)):
        if names:
            raise ValueError(f"{folder}: {len(names)} {kind}, for example {names[0]!r}")
    if not matched:
        raise ValueError(f"{folder} holds no truth: masks, .xml or .txt files named as the images")
    classes = sorted({img_id.split("/")[0] for img_id in matched})
    nested = all("/" in img_id for img_id in matched)
    entries = []
    for img_id, name in matched.items():
        entry: dict[str, Any] = {"img_id": img_id, "gt_label": 0}
        if nested:
            entry["gt_label"] = classes.index(img_id.split("/")[0])
        entries.append(entry | _truth_file(files[str(name)], img_id, images))
    if len({"boxes" in entry for entry in entries}) > 1:
        raise ValueError(f"{folder} holds masks and boxes: keep one kind")
    return entries


def _truth_file(file: Path, img_id: str, images: Path | None) -> dict[str, Any]:
    """A mask, or boxes and the size of their image."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return {"mask_paths": [str(file)], "ignore_path": None}
    boxes: list[Box]
    if file.suffix.lower() == ".xml":
        size, objects = read_xml(file)
        boxes = [box for _, box in objects]
    else:
        size = _image_size(img_id, images, file)
        boxes = []
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            texts, place = line.replace(",", " ").split(), f"{file}:{number}"
            if not texts:
                continue
            if len(texts) != 4:
                raise ValueError(f"{place}: expected x0 y0 x1 y1, got '{line}'")
            boxes.append(to_floats(texts, place, "the box"))
    if not boxes:
        raise ValueError(f"{file} holds no box")
    for box in boxes:
        if problem := box_problem(box, size):
            raise ValueError(f"{file}: {problem}")
    return {"width": size[0], "height": size[1], "boxes": boxes}


def _image_size(img_id: str, images: Path | None, file: Path) -> tuple[int, int]:
    """Width and height as a viewer shows the image."""
    if images is None:
        raise ValueError(f"{file}: boxes in pixels need the images' sizes: name --images FOLDER")
    names = [images / img_id, *(images / f"{img_id}{suffix}" for suffix in IMAGE_SUFFIXES)]
    path = next((name for name in names if name.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{images} has no image {img_id}")
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(274) in _TURNED
    return (height, width) if turned else (width, height)


def _stem(img_id: str) -> str:
    return Path(img_id).with_suffix("").as_posix()
