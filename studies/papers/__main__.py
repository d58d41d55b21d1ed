"""Write the papers' tables in their own layout with our numbers beside theirs.

    python -m studies.papers --write        # the tables of every README from what is kept
    python -m studies.papers --paper wend   # tables.md, tables.csv in work_dirs/papers/wend
    python -m studies.papers --paper wend --tables 3 4 --data-root data \\
        --scores CUB_200_2011=work_dirs/b7_cub.npz --jobs 2
    python -m studies.papers --paper wend --toy --jobs 2 --out work_dirs/wend_toy

Without --toy and --data-root nothing is trained: the tables show what is finished. --data-root
trains the configs that the paper's tables are about, on the data sets below that folder (those that
are not there are left out); --toy their small stand-ins on toy scenes, whose numbers say nothing
about the paper's. tables.md and tables.csv in OUT are written anew before the first and after every
table; finished trials are never repeated and a killed one continues. The column of birds is filled
from the bench of photographs. The numbers are of the test split and must choose nothing; the csv
has val's, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import KeyValues, add_general_options, one_line_errors

PAPERS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.yaml")))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paper", nargs="+", choices=PAPERS, default=PAPERS, help="(all)")
    parser.add_argument(
        "--out", type=Path, default=Path("work_dirs/papers"),
        help="trials and tables go to a folder below it for each paper (work_dirs/papers)",
    )  # fmt: skip
    parser.add_argument("--tables", nargs="+", metavar="N", help="only these, such as 3 or 'VII'")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets")
    parser.add_argument("--toy", action="store_true", help="the small networks on toy scenes")
    parser.add_argument("--dry-run", action="store_true", help="train nothing, only write")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, one thread each")
    parser.add_argument(
        "--scores", nargs="+", default=[], metavar="DATA=FILE",
        help="a classifier's test scores for class-agnostic boxes, by folder name of the data set",
    )  # fmt: skip
    parser.add_argument(
        "--cfg-options", nargs="+", action=KeyValues, default={}, metavar="KEY=VALUE"
    )
    parser.add_argument(
        "--test-options", nargs="+", action=KeyValues, default={}, metavar="KEY=VALUE",
        help="keys of the test alone, such as test_evaluator.protocol=wend; trainings are shared",
    )  # fmt: skip
    parser.add_argument(
        "--write", action="store_true",
        help="keep results in studies/results/paper_tables, write the READMEs of the methods",
    )  # fmt: skip
    add_general_options(parser)
    args = parser.parse_args(argv)
    if args.toy and (args.data_root or args.scores or args.write):
        parser.error(
            "--toy draws its own scenes: it takes neither --data-root nor --scores, and its "
            "numbers are kept in no README (--write)"
        )
    if args.toy and args.paper is PAPERS:
        parser.error("--toy: name a --paper")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a trial failed."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        from studies.papers.fill import fill

        return fill(args)


if __name__ == "__main__":
    sys.exit(main())
