"""Join boxes that know no class with a classifier's cached scores: Top-1/Top-5 Loc and GT-known.

    python tools/joint_eval.py --boxes work_dirs/x/wsol_records.npz --scores scores.npz --out j.json
    python tools/joint_eval.py --boxes dets.json --metadata metadata/CUB/test --scores scores.npz \
        --out j.json

BOXES is the records file of ``WSOLMetric(out=...)``, which knows the ground truth, or a json of
detections judged against the reference evaluator's lists: COCO results
(``[{"image_id", "bbox": [x, y, w, h], "score"}]``, ids being image names, or numbers explained by
``--images``) or a COCO file with ``images`` and ``annotations``, such as pseudo boxes. SCORES is an
npz with ``img_ids`` (n,) and ``scores`` (n, K), or a json or pkl of ``{img_id: scores}``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wsol_mm.apis.command import one_line_errors
from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.evaluation.protocols import Protocol, get_protocol
from wsol_mm.evaluation.records import load_records, make_record, save_records
from wsol_mm.evaluation.results import Settings, evaluate_records, rule_of_stamp
from wsol_mm.evaluation.scores import ClassifierScores, load_classifier_scores
from wsol_mm.functional.image_record import ImageRecord
from wsol_mm.functional.rates import top_labels

Detections = dict[str, list[tuple[list[float], float]]]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boxes", type=Path, required=True, help="records npz or json of boxes")
    parser.add_argument("--scores", type=Path, required=True, help="classifier scores")
    parser.add_argument("--out", type=Path, required=True, help="json file to write")
    parser.add_argument("--metadata", type=Path, help="lists with the ground truth, for json boxes")
    parser.add_argument("--images", type=Path, help="COCO file that explains numeric image ids")
    parser.add_argument("--protocol", help="for json boxes; records keep theirs")
    parser.add_argument("--records", type=Path, help="also write the joined records, an npz file")
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples of the intervals")
    return parser.parse_args(argv)


def read_json(path: Path) -> Any:
    """A json file.

    Raises:
        ValueError: It is missing or malformed.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable json file ({error})") from error


def image_names(images: Any, path: Path) -> dict[Any, str]:
    """Numeric id -> image name of a COCO file."""
    try:
        return {image["id"]: image["file_name"] for image in images}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected images with id and file_name") from error


def read_detections(path: Path, images: Path | None) -> Detections:
    """Boxes (x0, y0, x1, y1) and scores by image name.

    Raises:
        ValueError: Malformed entries, or an id that nothing explains.
    """
    content = read_json(path)
    names: dict[Any, str] = {}
    if images:
        explained = read_json(images)
        names = image_names(
            explained.get("images") if isinstance(explained, dict) else None, images
        )
    entries, implied_score = content, None
    if isinstance(content, dict):
        names = image_names(content.get("images"), path)
        entries, implied_score = content.get("annotations"), 1.0
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of detections, or a dict with annotations")
    found: Detections = {name: [] for name in names.values()}
    for number, entry in enumerate(entries):
        try:
            key = entry["image_id"]
            x, y, width, height = (float(value) for value in entry["bbox"])
            score = float(entry["score"] if implied_score is None else entry.get("score", 1.0))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: entry {number} needs image_id, bbox [x, y, w, h] and score: {entry}"
            ) from error
        name = names.get(key, key)
        if not isinstance(name, str):
            raise ValueError(
                f"{path}: entry {number} has the numeric image_id {key}; name the COCO file that "
                "explains it with --images"
            )
        found.setdefault(name, []).append(([x, y, x + width, y + height], score))
    return found


def detection_records(args: argparse.Namespace, protocol: Protocol) -> list[ImageRecord]:
    """Judge the detections of a json file; an image without one counts as wrong."""
    if args.metadata is None:
        raise ValueError(f"{args.boxes} holds no ground truth: name its lists with --metadata")
    detections = read_detections(args.boxes, args.images)
    hint = "--metadata needs image_ids, class_labels, image_sizes and localization .txt"
    images = read_metadata(args.metadata, Path(), hint=hint, boxes=True)
    unknown = sorted(detections.keys() - {image["img_id"] for image in images})
    if unknown:
        raise ValueError(
            f"{args.boxes}: {len(unknown)} images are not in {args.metadata}, for example "
            f"{unknown[0]!r}"
        )
    records = []
    for image in tqdm(images, unit="img", desc="boxes"):
        if "width" not in image:
            raise ValueError(
                f"{args.metadata}: image_sizes.txt has no size for {image['img_id']!r}"
            )
        boxes = detections.get(image["img_id"], [])
        sample = {
            "img_id": image["img_id"],
            "gt_label": image["gt_label"],
            "ori_shape": (image["height"], image["width"]),
            "gt_instances": {"bboxes": np.array(image["boxes"])},
            "pred_instances": {
                "bboxes": np.array([box for box, _ in boxes]).reshape(-1, 4),
                "scores": np.array([score for _, score in boxes]),
            },
        }
        records.append(make_record(sample, protocol))
    empty = sum(not len(record.box_iou) for record in records)
    print(f"{empty} of {len(records)} images have no box and count as wrong")
    return records


def join(records: Sequence[ImageRecord], scores: ClassifierScores) -> list[ImageRecord]:
    """Records with the classifier's five best classes.

    Raises:
        KeyError: An image without scores.
        ValueError: A ground-truth class without a score.
    """
    joined = []
    for record in records:
        values = scores[record.img_id]
        if record.gt_label >= len(values):
            raise ValueError(
                f"{scores.path}: {len(values)} classes, but image {record.img_id!r} is of class "
                f"{record.gt_label}"
            )
        top5 = top_labels(values)
        joined.append(replace(record, top5=top5, bad_scores=not len(top5)))
    return joined


def run(args: argparse.Namespace) -> str:
    """Join, evaluate and write; returns the table."""
    scores = load_classifier_scores(args.scores)
    stamp: dict[str, Any] = {}
    settings = Settings(bootstrap=args.bootstrap)
    if args.boxes.suffix == ".npz":
        if args.protocol or args.metadata or args.images:
            raise ValueError(
                f"{args.boxes} are records: they hold their ground truth and protocol, so "
                "--protocol, --metadata and --images have no effect"
            )
        records, stamp = load_records(args.boxes)
        protocol = Protocol.of_stamp(stamp)
        settings = Settings(
            rule=rule_of_stamp(stamp),
            interval=stamp["threshold"]["interval"],
            bootstrap=args.bootstrap,
        )
        kept = ("normalization", "percentile", "interpolation")
        stamp = {key: stamp[key] for key in kept if key in stamp}
    else:
        protocol = get_protocol(args.protocol or "wsolevaluation")
        records = detection_records(args, protocol)
    records = join(records, scores)
    stamp |= {"boxes": str(args.boxes), "classifier": scores.path}
    results = evaluate_records(records, protocol, settings, stamp=stamp)
    if args.records:
        save_records(args.records, records, results.stamp)
    results.save(args.out)
    if results.warning():
        print(f"warning: {results.warning()}", file=sys.stderr)
    return results.table()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors():
        print(run(args))


if __name__ == "__main__":
    main()
