"""Reading pseudo-box files: COCO json with one category and a named maker."""

import json
from pathlib import Path
from typing import Any

from wsol_mm.datasets.lists import Box, box_problem
from wsol_mm.structures import OBJECT_CLASS

MAKE_COMMAND = "python tools/pseudo_boxes.py CONFIG CHECKPOINT --split train --out {path}"


def read_json(path: Path, hint: str) -> dict[str, Any]:
    """Read a json object; a missing or broken file is one clear error."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: {hint}")
    try:
        content = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid json ({error}): {hint}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a json object, got {type(content).__name__}: {hint}")
    return content


def coco_id(value: Any, place: str) -> int | str:
    """An id of a COCO json; whole numbers written as text or as floats count as numbers.

    Example:
        >>> coco_id("7", "images[0]"), coco_id(7.0, "images[0]"), coco_id("a7", "images[0]")
        (7, 7, 'a7')
    """
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{place} must be a whole number or text, got {value!r}")
    return int(value)


def coco_size(image: dict[str, Any], place: str) -> tuple[int, int] | None:
    """Width and height of an image entry; None where one is absent or null."""
    size = image.get("width"), image.get("height")
    if None in size:
        return None
    if not all(_is_size(side) and side == int(side) for side in size):
        raise ValueError(f"{place}: width and height must be pixels, or absent, got {list(size)}")
    return int(size[0]), int(size[1])


def coco_categories(content: dict[str, Any], path: Path) -> dict[int | str, str]:
    """Return `{id: name}` of the categories, numbers before text, in order."""
    names: dict[int | str, str] = {}
    for number, category in enumerate(content.get("categories") or []):
        place = f"{path}: categories[{number}]"
        if not isinstance(category, dict) or not isinstance(category.get("name"), str):
            raise ValueError(f"{place}: a category needs a unique 'id' and a 'name': {category}")
        key = coco_id(category.get("id"), f"{place}: id")
        if key in names:
            raise ValueError(f"{place}: a category needs a unique 'id' and a 'name': {category}")
        names[key] = category["name"]
    return dict(sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def coco_box(entry: dict[str, Any], place: str) -> Box:
    """Return the `x0, y0, x1, y1` box of a COCO annotation (`bbox`: x, y, width, height)."""
    bbox = entry.get("bbox")
    if (
        not isinstance(bbox, list)
        or len(bbox) != 4
        or not all(isinstance(value, int | float) for value in bbox)
    ):
        raise ValueError(f"{place}: bbox must be [x, y, width, height], got {bbox}")
    x, y, width, height = map(float, bbox)
    return [x, y, x + width, y + height]


def coco_images(content: dict[str, Any], path: Path) -> dict[int | str, dict[str, Any]]:
    """Return `{id: image entry}` of a COCO json, checked for lists, fields and duplicates."""
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise ValueError(f"{path}: key '{key}' must be a list, as in COCO json")
    images: dict[int | str, dict[str, Any]] = {}
    names: set[str] = set()
    for entry in content["images"]:
        if not isinstance(entry, dict) or "id" not in entry or "file_name" not in entry:
            raise ValueError(f"{path}: an image needs 'id' and 'file_name', got {entry}")
        key = coco_id(entry["id"], f"{path}: id of image '{entry['file_name']}'")
        if key in images or entry["file_name"] in names:
            raise ValueError(
                f"{path}: duplicate image id {entry['id']} or file_name '{entry['file_name']}'"
            )
        images[key] = entry
        names.add(entry["file_name"])
    return images


def read_pseudo_boxes(path: str, known: set[str]) -> dict[str, list[Box]]:
    """Read a pseudo-box file.

    Args:
        path: The json file.
        known: `img_id` of every image of the split.

    Returns:
        `{img_id: [x0, y0, x1, y1 boxes]}` of the images that have boxes.

    Raises:
        FileNotFoundError: When the file is missing; the message holds the command that makes it.
        ValueError: When it does not name its maker, or holds an unknown image, one without size,
            another category, or a box outside its image or without area; the message names the
            entry.
    """
    file = Path(path)
    command = MAKE_COMMAND.format(path=path)
    content = read_json(file, f"make it with `{command}`")
    info = content.get("info")
    if not isinstance(info, dict) or not info.get("maker"):
        raise ValueError(
            f"{file}: info.maker is missing, so nothing says where these boxes come from; "
            f"make the file with `{command}`"
        )
    images = coco_images(content, file)
    for entry in images.values():
        if entry["file_name"] not in known:
            raise ValueError(
                f"{file}: image '{entry['file_name']}' (id {entry['id']}) is not in this split; "
                f"the file was made for split '{info.get('split')}' of another list"
            )
        if not all(_is_size(entry.get(side)) for side in ("width", "height")):
            raise ValueError(
                f"{file}: image '{entry['file_name']}' (id {entry['id']}) needs its width and "
                "height in pixels, without which its boxes cannot be checked"
            )
    categories = coco_categories(content, file)
    names = list(categories.values())
    if names != [OBJECT_CLASS]:
        raise ValueError(f"{file}: the one category must be '{OBJECT_CLASS}', got {names}")
    boxes: dict[str, list[Box]] = {}
    for number, entry in enumerate(content["annotations"]):
        place = f"{file}: annotations[{number}] (id {entry.get('id')})"
        image = images.get(coco_id(entry.get("image_id"), f"{place}: image_id"))
        if image is None:
            raise ValueError(f"{place}: image_id {entry.get('image_id')} is not in 'images'")
        if coco_id(entry.get("category_id"), f"{place}: category_id") not in categories:
            raise ValueError(f"{place}: category_id {entry.get('category_id')} is not the object's")
        box = coco_box(entry, place)
        if problem := box_problem(box, (image["width"], image["height"])):
            raise ValueError(f"{place}, image '{image['file_name']}': {problem}")
        boxes.setdefault(image["file_name"], []).append(box)
    if not boxes:
        raise ValueError(f"{file} holds no boxes: make it again with `{command}`")
    return boxes


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
