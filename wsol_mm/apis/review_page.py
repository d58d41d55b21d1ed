"""A self-contained page on which a person keeps, fixes or drops the boxes of a COCO json."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from wsol_mm.apis.images import read_image
from wsol_mm.datasets.box_file import coco_images, read_json
from wsol_mm.io import atomic_write

_TEMPLATE = Path(__file__).with_name("review_page.html")
LONGEST_SIDE = 640


def doubt(coco: dict[str, Any]) -> dict[Any, float]:
    """How sure the least sure box of each image is, least sure first; -1 for one without a box.

    Args:
        coco: Annotations have a ``confidence``, or else a ``score``.

    Returns:
        ``{image id: confidence}``.
    """
    lowest: dict[Any, float] = {}
    for annotation in coco["annotations"]:
        sure = float(annotation.get("confidence", annotation.get("score", 0.0)))
        lowest[annotation["image_id"]] = min(sure, lowest.get(annotation["image_id"], 1.0))
    found = {image["id"]: lowest.get(image["id"], -1.0) for image in coco["images"]}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def write_review_page(
    path: Path, coco: dict[str, Any], folder: Path, name: str, count: int | None = None
) -> int:
    """Write the page; images are in it, at most 640 px wide or high.

    Args:
        path: The html file.
        coco: The json; whole, as it is downloaded again, with what was reviewed.
        folder: What the file names are relative to.
        name: Of the download.
        count: Only so many images, those of the least confidence.

    Returns:
        How many images are on the page.

    Raises:
        ValueError: An image cannot be read any more.
    """
    images = {image["id"]: image for image in coco["images"]}
    chosen = list(doubt(coco))[:count]
    pictures = [
        {"image": images[key], "src": _embedded(folder / images[key]["file_name"])}
        for key in chosen
    ]
    data = json.dumps({"coco": coco, "pictures": pictures, "name": name})
    # Names may hold anything; nothing of them may end the script or begin another.
    safe = data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    with atomic_write(path) as temporary:
        temporary.write_text(_TEMPLATE.read_text("utf-8").replace("__DATA__", safe), "utf-8")
    return len(pictures)


def review_file(path: Path, labels: Path, folder: Path, count: int | None = None) -> str:
    """Write the page of a COCO json.

    Args:
        path: The html file.
        labels: The json, such as tools/label.py writes.
        folder, count: See :func:`write_review_page`.

    Returns:
        What was written, in one line.

    Raises:
        FileNotFoundError, ValueError: The json is missing or not COCO.
    """
    coco = read_json(labels, "tools/label.py makes it")
    coco_images(coco, labels)
    shown = write_review_page(path, coco, folder, f"{labels.stem}_reviewed.json", count)
    return f"{path}: a page with the {shown} most doubtful of {len(coco['images'])} images"


def _embedded(path: Path) -> str:
    """A data URL of the image, as a viewer shows it."""
    picture = Image.fromarray(read_image(path))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
