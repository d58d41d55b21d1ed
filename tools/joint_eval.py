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
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import add_result_options, one_line_errors, print_results


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boxes", type=Path, required=True, help="records npz or json of boxes")
    parser.add_argument("--scores", type=Path, required=True, help="classifier scores")
    parser.add_argument("--metadata", type=Path, help="lists with the ground truth, for json boxes")
    parser.add_argument("--images", type=Path, help="COCO file that explains numeric image ids")
    parser.add_argument("--protocol", help="for json boxes; records keep theirs")
    add_result_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        for path in (args.boxes, args.scores):
            if not path.is_file():
                raise FileNotFoundError(f"{path} does not exist")
        from wsol_mm.apis.joint_evaluation import join

        results = join(
            args.boxes,
            args.scores,
            metadata=args.metadata,
            images=args.images,
            protocol=args.protocol,
            bootstrap=args.bootstrap,
            out=args.out,
            records=args.records,
        )
        print_results(results)


if __name__ == "__main__":
    main()
