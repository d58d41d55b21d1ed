"""Evaluate score maps made elsewhere, or the trivial predictors alone.

    python tools/eval_maps.py --maps DIR --metadata metadata/CUB/test --out result.json

MAPS holds ``<image_id>.npy`` with the image's extension kept (``a/b.jpg.npy``); ``tools/test.py
--dump-maps DIR`` writes such a folder, lists included (``--maps DIR --metadata DIR``). Maps of the
frame's size (224 x 224) are taken as ready: float64 in [0, 1], checked, used as they are. Maps of
any other size are raw: upsampled and normalised first (``--normalization`` makes all maps raw). The
lists are the reference evaluator's; mask lists (OpenImages) need ``--dataset-masks``.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from wsol_mm.apis.command import one_line_errors
from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.evaluation.map_files import load_map
from wsol_mm.evaluation.protocols import Protocol, get_protocol
from wsol_mm.evaluation.records import make_record, save_records
from wsol_mm.evaluation.results import Settings, evaluate_records, map_stamp, read_rule
from wsol_mm.evaluation.scores import load_classifier_scores
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.image_record import ImageRecord
from wsol_mm.functional.pxap import nearest_indices
from wsol_mm.functional.rates import V2_IOUS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--maps", type=Path, help="folder with <image_id>.npy")
    parser.add_argument("--metadata", type=Path, required=True, help="folder with the four lists")
    parser.add_argument("--out", type=Path, required=True, help="json file to write")
    parser.add_argument("--dataset-masks", type=Path, help="root of the mask images")
    parser.add_argument("--protocol", default="wsolevaluation")
    parser.add_argument("--interval", type=float, default=0.001, help="step of the thresholds")
    parser.add_argument("--threshold", default="oracle", help="oracle, otsu, mean or a number")
    parser.add_argument(
        "--iou-thrs", nargs="+", type=float, default=V2_IOUS, help="of gt_known_iouXX: GT(0.9), ..."
    )
    parser.add_argument("--box-rule", default="largest", choices=("largest", "all"))
    parser.add_argument("--normalization", help="minmax, max, pas or ivr: all maps are raw")
    parser.add_argument("--percentile", type=float, help="percentile of pas and ivr")
    parser.add_argument("--classifier-scores", type=Path, help="npz, json or pkl, for Top-k")
    parser.add_argument("--records", type=Path, help="also write the records, an npz file")
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples of the intervals")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="parallel workers")
    parser.add_argument(
        "--trivial-only", action="store_true", help="no maps: whole image and centred squares"
    )
    args = parser.parse_args(argv)
    if (args.maps is None) != args.trivial_only:
        parser.error("give either --maps or --trivial-only")
    return args


def read_images(metadata: Path, masks: Path | None) -> list[dict[str, Any]]:
    """Entries of the lists: id, label, size and boxes, or masks.

    Raises:
        FileNotFoundError: A list is missing.
        ValueError: Malformed lists, or boxes without a size.
    """
    hint = "--metadata needs image_ids, class_labels, image_sizes and localization .txt"
    file = metadata / "localization.txt"
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: {hint}")
    lines = file.read_text().split(maxsplit=1)
    if masks is None and lines and lines[0].rsplit(",", 1)[-1].endswith(".png"):
        raise ValueError(f"{metadata} lists masks: say where they are with --dataset-masks")
    images = read_metadata(metadata, Path(), hint=hint, boxes=masks is None, masks=masks)
    for image in images:
        if masks is None and "width" not in image:
            raise ValueError(f"{metadata / 'image_sizes.txt'} has no size for '{image['img_id']}'")
    return images


def check_folder(maps: Path, images: Sequence[dict[str, Any]]) -> None:
    """Refuse a folder that lacks a map or holds one too many.

    Raises:
        ValueError: With examples of what is missing or extra.
    """
    if not maps.is_dir():
        raise ValueError(f"{maps} is not a folder")
    found = {path.relative_to(maps).as_posix() for path in maps.rglob("*.npy")}
    wanted = {f"{image['img_id']}.npy" for image in images}
    for kind, names in (("missing", wanted - found), ("extra", found - wanted)):
        if names:
            examples = ", ".join(sorted(names)[:3])
            raise ValueError(f"{maps}: {len(names)} {kind} maps, for example {examples}")


def read_mask(path: Path, frame: int) -> np.ndarray:
    """One mask image at the frame's size, by the nearest-neighbour rule."""
    if not path.is_file():
        raise ValueError(f"mask {path} does not exist: check --dataset-masks")
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError(f"mask {path} is not an image")
    rows, columns = (nearest_indices(frame, size) for size in mask.shape)
    return mask[np.ix_(rows, columns)] > 0


def evaluate_image(
    image: dict[str, Any],
    *,
    args: argparse.Namespace,
    protocol: Protocol,
    rule: BoxRule,
    scores: Any,
) -> ImageRecord:
    """Record of one image; the map is read, reduced and forgotten."""
    frame = (protocol.frame, protocol.frame)
    sample: dict[str, Any] = {
        "img_id": image["img_id"],
        "gt_label": image["gt_label"],
        "ori_shape": frame,
        "img_shape": frame,
        "homography_matrix": np.eye(3),
    }
    if "boxes" in image:
        width, height = image["width"], image["height"]
        sample["ori_shape"] = (height, width)
        sample["homography_matrix"] = np.diag([frame[0] / width, frame[0] / height, 1.0])
        sample["gt_instances"] = {"bboxes": np.array(image["boxes"])}
    else:
        # Each mask image has its own size, so all are brought to the frame first.
        masks = [read_mask(Path(path), protocol.frame) for path in image["mask_paths"]]
        sample["gt_mask"] = np.logical_or.reduce(masks)
        if image["ignore_path"]:
            sample["ignore_mask"] = read_mask(Path(image["ignore_path"]), protocol.frame)
    if not args.trivial_only:
        path = args.maps / f"{image['img_id']}.npy"
        score_map = load_map(path)
        if rule.normalization and not args.normalization and score_map.shape == frame:
            raise ValueError(
                f"{path}: a ready map among raw ones; give --normalization to treat all as raw"
            )
        sample |= {"pred_maps": score_map[None], "map_labels": np.array([-1])}
    return make_record(
        sample,
        protocol,
        rule=rule,
        interval=args.interval,
        scores=scores[image["img_id"]] if scores else None,
    )


def make_records(
    job: Any, images: Sequence[dict[str, Any]], processes: int
) -> Iterator[ImageRecord]:
    """Records in the order of the list, with a progress bar."""
    bar = partial(tqdm, total=len(images), unit="img", desc="maps")
    if processes <= 1:
        yield from bar(map(job, images))
        return
    # A forked worker has none of OpenCV's threads, so there must be none to wait for.
    cv2.setNumThreads(1)
    with get_context("fork").Pool(processes) as pool:
        yield from bar(pool.imap(job, images, chunksize=8))


def run(args: argparse.Namespace) -> str:
    """Evaluate and write; returns the table."""
    protocol = get_protocol(args.protocol)
    rule = read_rule(args.threshold, components=args.box_rule, key="--threshold")
    images = read_images(args.metadata, args.dataset_masks)
    scores = load_classifier_scores(args.classifier_scores) if args.classifier_scores else None
    stamp: dict[str, Any] = {"metadata": str(args.metadata)}
    if not args.trivial_only:
        check_folder(args.maps, images)
        first = load_map(args.maps / f"{images[0]['img_id']}.npy")
        ready = first.shape == (protocol.frame, protocol.frame) and not args.normalization
        rule = replace(
            rule,
            normalization=None if ready else args.normalization or "minmax",
            percentile=args.percentile,
        )
        stamp |= {
            "maps": "ready" if ready else "raw",
            "class_agnostic": None,  # a file does not say
            **map_stamp(rule),
        }
    settings = Settings(
        rule=rule, iou_thrs=args.iou_thrs, interval=args.interval, bootstrap=args.bootstrap
    )
    if scores:
        stamp["classifier"] = scores.path
    job = partial(evaluate_image, args=args, protocol=protocol, rule=rule, scores=scores)
    if args.trivial_only and args.dataset_masks:
        raise ValueError("the trivial predictors need boxes; there are none in mask lists")
    records = list(make_records(job, images, args.processes))
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
