"""A box, a class and a confidence for every image of a data set that has image labels."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wsol_mm.apis.box_files import file_sha256, finished, write_json
from wsol_mm.apis.image_labels import LabelledImages, match_classes
from wsol_mm.apis.images import Source, read_image
from wsol_mm.apis.localization import Localization, coco_annotation
from wsol_mm.apis.localizer import DEFAULT_MODEL, Localizer
from wsol_mm.apis.review_page import doubt
from wsol_mm.functional.box_confidence import box_confidence
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__


def describe_settings(
    localizer: Localizer, data: LabelledImages, args: argparse.Namespace
) -> dict[str, Any]:
    """Provenance of the boxes, for ``info``; the same settings continue a killed run."""
    checkpoint = args.checkpoint
    is_file = checkpoint is not None and Path(checkpoint).is_file()
    known = match_classes(data.classes, localizer.classes)
    rule, source = localizer.rule_at(args.threshold, args.objects)
    return {
        "created_by": f"wsol_mm {__version__}",
        "maker": f"label/{args.model or DEFAULT_MODEL}",
        "model": args.model or DEFAULT_MODEL,
        "method": localizer.predictor.method,
        "checkpoint": checkpoint,
        "checkpoint_sha256": file_sha256(checkpoint) if is_file else None,
        "classifier": args.classifier,
        "box_rule": rule if isinstance(rule, float) else rule.to_dict(),
        "threshold_source": source,
        "classes_known_to_the_model": sorted(data.classes[index] for index in known),
        "images": len(data.images),
    }


def label_images(
    localizer: Localizer,
    data: LabelledImages,
    out: Path,
    info: dict[str, Any],
    args: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    """Localize in every image that no part file beside ``out`` holds yet.

    Args:
        localizer: Makes the boxes.
        data: Images and their classes.
        out: The json that will be written; its part files are in ``<out>.parts``.
        info: See :func:`describe_settings`.
        args: ``batch_size``, ``objects`` and ``threshold``.

    Returns:
        A line for each image that could be read, by name: size, boxes, scores, confidences.
    """
    parts = out.with_name(f"{out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    done = finished(parts, info)
    known = match_classes(data.classes, localizer.classes)
    todo = [(name, known.get(label)) for name, label in data.images if name not in done]
    bar = tqdm(total=len(data.images), initial=len(done), unit="img", desc="label")
    with (parts / f"rank0-{len(list(parts.iterdir()))}.jsonl").open("w") as part:
        part.write(json.dumps(info) + "\n")
        # Those of known classes ask for these, the others for what the model finds.
        for asks in (True, False):
            group = {name: index for name, index in todo if (index is not None) is asks}
            results = localizer.stream(
                [Source(name, _reader(data.folder / name)) for name in group],
                batch_size=args.batch_size,
                labels=group if asks else None,
                objects=args.objects,
                threshold=args.threshold,
                bar=bar,
            )
            for result in results if group else ():
                part.write(json.dumps(_line(result)) + "\n")
                part.flush()
            if group and (said := localizer.describe_failures()):
                tqdm.write(said)
    bar.close()
    done = finished(parts, info)
    return {name: done[name] for name, _ in data.images if name in done}


def write_labels(
    out: Path,
    data: LabelledImages,
    done: dict[str, dict[str, Any]],
    info: dict[str, Any],
    doubtful: float,
) -> str:
    """Write the json and the list of the least sure images, then drop the part files.

    Args:
        out: The json.
        data: Images and their classes.
        done: See :func:`label_images`.
        info: See :func:`describe_settings`.
        doubtful: Share of images in the list.

    Returns:
        What was written, in one line.

    Raises:
        ValueError: No image has a box; the part files stay.
    """
    images, annotations = [], []
    for number, (name, label) in enumerate(data.images, start=1):
        if name not in done:
            continue
        line = done[name]
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": line["width"],
                "height": line["height"],
                "category_id": label + 1,
            }
        )
        for box, score, confidence in line["boxes"]:
            entry = coco_annotation(
                len(annotations) + 1, number, label + 1, box, score=score, confidence=confidence
            )
            annotations.append(entry)
    if not annotations:
        raise ValueError(f"no image of {data.folder} got a box, so {out} is not written")
    unread = [name for name, _ in data.images if name not in done]
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(data.classes)]
    content = {
        "info": {**info, "unread": unread},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    names = {image["id"]: image["file_name"] for image in images}
    sure = doubt(content)
    count = round(doubtful * len(images))
    listed = out.with_name(f"{out.stem}_doubtful.txt")
    with atomic_write(listed) as temporary:
        lines = [f"{names[key]}\t{value:.3f}\n" for key, value in list(sure.items())[:count]]
        temporary.write_text("".join(lines), "utf-8")
    write_json(out, content)
    shutil.rmtree(out.with_name(f"{out.name}.parts"))
    empty = sum(value < 0 for value in sure.values())
    known = len(info["classes_known_to_the_model"])
    return (
        f"{out}: {len(annotations)} boxes of {len(data.classes)} classes in {len(images)} images, "
        f"{empty} without a box, {len(unread)} unreadable; the model knows {known} of the classes "
        f"by name; the {count} most doubtful are in {listed}"
    )


def _reader(path: Path) -> Any:
    return lambda: read_image(path)


def _line(result: Localization) -> dict[str, Any]:
    """What is kept of an image: boxes with score and confidence."""
    rows = []
    for box, label, _, score in result.rows():
        confidence = score
        if result.rule is not None:
            frame = result.frame
            values = result.rule.frame(result.raw_maps[label], frame.input_size).values
            confidence = box_confidence(values, frame.to_input(box), score)
        rows.append((box, score, confidence))
    width, height = result.size
    return {"img_id": result.source, "width": width, "height": height, "boxes": rows}
