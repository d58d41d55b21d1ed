"""Evaluate score maps made elsewhere, or the trivial predictors alone.

    python tools/eval_maps.py --maps DIR --truth boxes.json --out result.json
    python tools/eval_maps.py --maps DIR --truth MASKS --protocol cam_2016 --out result.json
    python tools/eval_maps.py --maps DIR --metadata metadata/CUB/test --out result.json

MAPS holds ``<image_id>.npy``, with the image's extension kept (``a/b.jpg.npy``) or without it;
``tools/test.py --dump-maps DIR`` writes such a folder, lists included (``--maps DIR --metadata
DIR``). Maps of the frame's size (224 x 224) are taken as ready: float64 in [0, 1], checked, used as
they are. Maps of any other size are raw: upsampled and normalised first (``--normalization`` makes
all maps raw).

TRUTH is a COCO json (its segmentations count as masks), or a folder with a mask image, a VOC .xml
or a .txt of boxes (``x0 y0 x1 y1`` a line; ``--images`` says where sizes come from) for each image.
METADATA holds the reference evaluator's lists; mask lists (OpenImages) need ``--dataset-masks``.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import add_result_options, one_line_errors, print_results


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--maps", type=Path, help="folder with <image_id>.npy")
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument("--truth", type=Path, help="COCO json, or folder of masks or boxes")
    truth.add_argument(
        "--metadata", dest="truth", type=Path, help="folder with the reference's four lists"
    )
    parser.add_argument("--dataset-masks", type=Path, help="root of the lists' mask images")
    parser.add_argument("--images", type=Path, help="folder of images, for sizes of .txt boxes")
    parser.add_argument("--protocol", default="wsolevaluation")
    parser.add_argument("--interval", type=float, default=0.001, help="step of the thresholds")
    parser.add_argument("--threshold", default="oracle", help="oracle, otsu, mean or a number")
    parser.add_argument(
        "--iou-thrs", nargs="+", type=float, help="of gt_known_iouXX: GT(0.9), ... (.3 .5 .7)"
    )
    parser.add_argument("--box-rule", default="largest", choices=("largest", "all"))
    parser.add_argument("--normalization", help="minmax, max, pas or ivr: all maps are raw")
    parser.add_argument("--percentile", type=float, help="percentile of pas and ivr")
    parser.add_argument("--classifier-scores", type=Path, help="npz, json or pkl, for Top-k")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="parallel workers")
    parser.add_argument(
        "--trivial-only", action="store_true", help="no maps: whole image and centred squares"
    )
    add_result_options(parser)
    args = parser.parse_args(argv)
    if (args.maps is None) != args.trivial_only:
        parser.error("give either --maps or --trivial-only")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        for path in filter(None, (args.maps, args.truth)):
            if not path.exists():
                raise FileNotFoundError(f"{path} does not exist")
        from wsol_mm.apis.map_evaluation import evaluate_maps
        from wsol_mm.functional.rates import V2_IOUS

        results = evaluate_maps(
            args.maps,
            args.truth,
            masks=args.dataset_masks,
            images=args.images,
            protocol=args.protocol,
            normalization=args.normalization,
            percentile=args.percentile,
            threshold=args.threshold,
            components=args.box_rule,
            iou_thrs=args.iou_thrs or V2_IOUS,
            interval=args.interval,
            classifier_scores=args.classifier_scores,
            bootstrap=args.bootstrap,
            processes=args.processes,
            out=args.out,
            records=args.records,
        )
        print_results(results)


if __name__ == "__main__":
    main()
