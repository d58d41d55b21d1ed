"""Image labels in, detection data set out: a box and a class for every image of a folder.

    python tools/label.py photographs/ --out boxes.json --review review.html
    python tools/label.py photographs/ --csv labels.csv --out boxes.json --model timm/resnet50
    python tools/label.py photographs/ --coco classes.json --out boxes.json

FOLDER holds a folder for each class, or the images that --csv (columns image, label) or --coco
(classes without boxes) name. The result is COCO json with all classes; its `info` records model,
weights, threshold and box rule. Classes that the model knows by name are localized by their own
map, others by the class that the model finds. Each box has a `confidence`; the most doubtful images
are listed in <out>_doubtful.txt. Run the same command again after a kill and it continues.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.localizer_options import add_model_options, check_model_options


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; what cannot work is said before the toolboxes are imported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="class folders, or what file names start at")
    parser.add_argument("--out", type=Path, required=True, help="COCO json to write")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--csv", type=Path, help="classes: a header with image and label")
    labels.add_argument("--coco", type=Path, help="classes: COCO json, boxes are not read")
    parser.add_argument("--objects", choices=("one", "all"), default="one", help="boxes per image")
    parser.add_argument(
        "--doubtful", type=float, default=0.05, help="share of images in the list (0.05)"
    )
    parser.add_argument("--review", type=Path, metavar="FILE.html", help="page to correct boxes on")
    parser.add_argument(
        "--review-count", type=int, default=200, help="its most doubtful images (200; 0 for all)"
    )
    add_model_options(parser)
    args = parser.parse_args(argv)
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is not a folder")
    for file in filter(None, (args.csv, args.coco)):
        if not file.is_file():
            parser.error(f"{file} does not exist")
    if args.out.suffix != ".json":
        parser.error(f"--out {args.out}: expected a name that ends in .json")
    if args.out.exists() and not args.review:
        parser.error(f"--out {args.out} exists: delete it to make it anew, or add --review")
    if not 0 <= args.doubtful <= 1:
        parser.error(f"--doubtful {args.doubtful}: expected a share from 0 to 1")
    check_model_options(parser, args)
    return args


def label(args: argparse.Namespace) -> None:
    """Make the json and the list of doubtful images."""
    from wsol_mm.apis.image_labels import read_class_folders, read_coco_classes, read_label_csv
    from wsol_mm.apis.labelling import describe_settings, label_images, write_labels
    from wsol_mm.apis.localizer_options import build_localizer

    if args.csv:
        data = read_label_csv(args.folder, args.csv)
    elif args.coco:
        data = read_coco_classes(args.folder, args.coco)
    else:
        data = read_class_folders(args.folder)
    localizer = build_localizer(args)
    info = describe_settings(localizer, data, args)
    done = label_images(localizer, data, args.out, info, args)
    print(write_labels(args.out, data, done, info, args.doubtful))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    from wsol_mm.apis.command import one_line_errors

    with one_line_errors(args.debug):
        if not args.out.exists():
            label(args)
        if args.review:
            from wsol_mm.apis.review_page import review_file

            print(review_file(args.review, args.out, args.folder, args.review_count or None))


if __name__ == "__main__":
    main()
