"""A page to look at results with: numbers, curves, errors, classes, images; two runs side by side.

    python tools/report.py result.json --out report.html
    python tools/report.py before.json after.json --out report.html --maps maps_before maps_after

RESULT.json is what tools/test.py --out or tools/eval_maps.py --out wrote, with its records beside
it. The page is one file and loads nothing from a network. Images are those that the records name,
or `--images DIR` with the data set's image names below it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; what cannot work is said before the toolboxes are imported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", type=Path, nargs="+", metavar="RESULT.json", help="others against the first"
    )
    parser.add_argument("--out", type=Path, required=True, help="html file to write")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--maps", type=Path, nargs="+", default=[], metavar="DIR",
        help="what tools/test.py --dump-maps wrote, one folder for each result",
    )  # fmt: skip
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    for file in args.results:
        if not file.is_file():
            parser.error(f"{file} does not exist: tools/test.py --out {file} makes it")
        if file.suffix != ".json":
            parser.error(f"{file}: expected a .json of tools/test.py --out")
    if len({file.resolve() for file in args.results}) < len(args.results):
        parser.error("a result is named twice")
    for folder in filter(None, (args.images, *args.maps)):
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder")
    if args.maps and len(args.maps) != len(args.results):
        parser.error(f"--maps: {len(args.maps)} folders for {len(args.results)} results")
    if args.out.suffix != ".html":
        parser.error(f"--out {args.out}: expected a name that ends in .html")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    from wsol_mm.apis.command import one_line_errors

    with one_line_errors(args.debug):
        from wsol_mm.apis.report_page import report_file

        print(report_file(args.results, args.out, args.images, args.maps))


if __name__ == "__main__":
    main()
