"""Make a checkpoint ready to hand on: weights, classes and threshold, a hash in its name.

    python tools/model_converters/publish_model.py work_dirs/cub/epoch_50.pth cam_cub.pth
    python tools/model_converters/publish_model.py CHECKPOINT OUT --results results.json

With the file of `tools/test.py CONFIG CHECKPOINT --out results.json` the threshold that val chose
goes along, and the Localizer draws its boxes with it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol_mm.apis.command import add_general_options, one_line_errors


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="of a training")
    parser.add_argument("out", type=Path, help="its new name, before the hash")
    parser.add_argument("--results", type=Path, help="of tools/test.py --out for this checkpoint")
    parser.add_argument("--no-ema", action="store_true", help="not the averaged weights, if any")
    parser.add_argument(
        "--trust-checkpoint", action="store_true", help="unpickle anything in it; it can run code"
    )
    add_general_options(parser)
    args = parser.parse_args()
    with one_line_errors(args.debug):
        if not args.checkpoint.is_file():
            raise FileNotFoundError(f"checkpoint {args.checkpoint} does not exist")
        from wsol_mm.apis.published import publish

        ema, trust = not args.no_ema, args.trust_checkpoint
        written = publish(args.checkpoint, args.out, results=args.results, ema=ema, trust=trust)
        print(f"{written}: written")


if __name__ == "__main__":
    main()
