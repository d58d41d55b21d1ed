"""Files of boxes: parts that a killed run continues from, and the COCO json at the end."""

import hashlib
import json
from pathlib import Path
from typing import Any

from wsol_mm.io import atomic_write
from wsol_mm.structures import OBJECT_CLASS
from wsol_mm.version import __version__


def file_sha256(path: str | Path) -> str:
    """Hash of a file, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def finished(parts: Path, stamp: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Lines of all part files that carry this stamp, by image.

    A last line cut off by a kill is ignored.

    Raises:
        ValueError: When the parts come from another config, checkpoint or threshold.
    """
    done: dict[str, dict[str, Any]] = {}
    for part in sorted(parts.glob("rank*.jsonl")):
        for number, line in enumerate(part.read_text().splitlines()):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                break
            if number == 0:
                if entry != stamp:
                    raise ValueError(
                        f"{part} was made with other settings: delete {parts} to start again"
                    )
            else:
                done[entry["img_id"]] = entry
    return done


def coco_json(done: dict[str, dict[str, Any]], info: dict[str, Any]) -> dict[str, Any]:
    """Assemble the COCO dictionary.

    Args:
        done: By image name, in the order wanted: ``width``, ``height``, ``boxes`` (n, 4) xyxy
            and, where their maker gives them, ``scores`` (n,).
        info: Provenance: maker, config, checkpoint and its hash, threshold and its source.

    Returns:
        ``info``, ``images``, ``categories`` (one), ``annotations`` (xywh; ``score``).

    Raises:
        ValueError: When no image got a box.
    """
    images, annotations = [], []
    for image_id, (img_id, entry) in enumerate(done.items()):
        images.append(
            {
                "id": image_id,
                "file_name": img_id,
                "width": entry["width"],
                "height": entry["height"],
            }
        )
        scores = entry.get("scores")
        for place, (x0, y0, x1, y1) in enumerate(entry["boxes"]):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    **({} if scores is None else {"score": scores[place]}),
                }
            )
    if not annotations:
        raise ValueError(
            "no image got a box, so nothing is written: the maps are constant, or the threshold "
            f"{info.get('threshold')} is too high"
        )
    return {
        "info": {"created_by": f"wsol_mm {__version__}", **info},
        "images": images,
        "categories": [{"id": 1, "name": OBJECT_CLASS}],
        "annotations": annotations,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a json file in one step."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content))
