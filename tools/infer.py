"""Localize in photographs: labelled boxes, pictures and COCO json from any classifier.

    python tools/infer.py photographs/ --out pictures --json boxes.json
    python tools/infer.py cat.jpg --model timm/resnet50 --checkpoint resnet50.pth --method layer_cam
    python tools/infer.py photographs/ --labels "tabby" --objects all --threshold otsu

INPUTS are files, folders, quoted patterns or videos. Without --out and --json boxes are printed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.localizer_options import add_model_options, build_localizer, check_model_options


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; what cannot work is said before the toolboxes are imported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="+", help="files, folders, patterns or videos")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="COCO json to write")
    parser.add_argument("--labels", nargs="+", help="classes that are there, by name or index")
    parser.add_argument("--topk", type=int, default=1, help="how many of the best classes (1)")
    parser.add_argument("--objects", choices=("one", "all"), default="one", help="boxes of a class")
    add_model_options(parser)
    args = parser.parse_args(argv)
    for item in args.inputs:
        if not any(sign in item for sign in "*?[") and not Path(item).exists():
            parser.error(f"{item} does not exist")
    if args.json and args.json.suffix != ".json":
        parser.error(f"--json {args.json}: expected a name that ends in .json")
    check_model_options(parser, args)
    return args


def run(args: argparse.Namespace) -> None:
    """Localize, write, and print what was found."""
    from wsol_mm.apis.box_files import write_json
    from wsol_mm.apis.localization import to_coco

    labels = args.labels and [int(label) if label.isdigit() else label for label in args.labels]
    localizer = build_localizer(args)
    results = localizer(
        args.inputs,
        batch_size=args.batch_size,
        labels=labels,
        topk=args.topk,
        objects=args.objects,
        threshold=args.threshold,
        out_dir=args.out,
    )
    if args.json:
        info = {
            "model": args.model or "cam_efficientnet_lite0_in1k",
            "checkpoint": args.checkpoint,
            "method": localizer.predictor.method,
            "threshold": results[0].threshold,
            "threshold_source": results[0].threshold_source,
        }
        write_json(args.json, to_coco(results, info))
    if not (args.out or args.json):
        for result in results:
            for box, _, name, score in result.rows():
                print(
                    result.source, name, f"{score:.3f}", *(f"{edge:.1f}" for edge in box), sep="\t"
                )
    boxes = sum(len(result.boxes) for result in results)
    written = " and ".join(str(path) for path in (args.out, args.json) if path)
    print(
        f"{boxes} boxes in {len(results)} images" + (f", written to {written}" if written else "")
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    from wsol_mm.apis.command import one_line_errors

    with one_line_errors(args.debug):
        run(args)


if __name__ == "__main__":
    main()
