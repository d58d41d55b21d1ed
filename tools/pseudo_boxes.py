"""Make pseudo boxes for a split with any localizer.

    python tools/pseudo_boxes.py configs/cam/resnet50_cub.py CHECKPOINT \
        --split train --out data/pseudo_boxes/cam_cub.json

The result is a COCO json with one category whose ``info`` records maker, config, checkpoint,
threshold and where the threshold came from. By default the threshold is the best one of the
validation split; the boxes of the split itself are never read. A detector has scores in place of a
threshold: its best box, or with ``--boxes all`` all of them, from ``--score-threshold`` on. The
file keeps the scores; of a map's box that is how far the map bears it out (``box_confidence``). Run
the same command again after a kill and it continues.
"""

import argparse
from pathlib import Path

from wsol_mm.apis.command import add_run_options, check_paths, load_config, one_line_errors


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of the localizer (or detector) that makes them")
    parser.add_argument("checkpoint", help="its trained weights")
    parser.add_argument("--split", default="train", choices=("train", "val", "test"))
    parser.add_argument("--out", required=True, type=Path, help="COCO json to write")
    parser.add_argument(
        "--threshold",
        help="of maps: 'val' (best of val, default), a number in [0, 1), 'otsu' or 'mean'",
    )
    parser.add_argument(
        "--boxes",
        default="largest",
        choices=("largest", "all"),
        help="components of a map, or boxes of a detector, kept per image",
    )
    parser.add_argument(
        "--score-threshold", type=float, help="of a detector: least score of a box (default 0)"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    add_run_options(parser)
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Make the file, and say what is in it."""
    check_paths(args.config, args.checkpoint)
    from mmengine.dist import is_main_process

    from wsol_mm.apis.pseudo_boxes import make_pseudo_boxes

    content = make_pseudo_boxes(
        load_config(args),
        args.checkpoint,
        args.out,
        split=args.split,
        threshold=args.threshold,
        score_threshold=args.score_threshold,
        components=args.boxes,
        batch_size=args.batch_size,
        trust_checkpoint=args.trust_checkpoint,
        allow_missing=args.allow_missing,
    )
    if is_main_process():
        boxes, info = content["annotations"], content["info"]
        images = len(content["images"])
        empty = images - len({box["image_id"] for box in boxes})
        print(
            f"{args.out}: {len(boxes)} boxes for {images} images, {empty} without a box; "
            f"threshold {info['threshold']} ({info['threshold_source']})"
        )


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        run(args)


if __name__ == "__main__":
    main()
