"""Curves and times out of training logs, by MMPretrain's tool.

    python tools/analysis_tools/analyze_logs.py plot_curve work_dirs/resnet50_cub --keys loss \
        --out loss.png
    python tools/analysis_tools/analyze_logs.py plot_curve work_dirs/a work_dirs/b \
        --keys wsol/gt_known wsol/max_box_acc_v2 --out val.png
    python tools/analysis_tools/analyze_logs.py cal_train_time work_dirs/resnet50_cub

A work dir stands for the newest training log in it, `<time>/vis_data/scalars.json`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from wsol_mm.apis.command import add_general_options, one_line_errors


def parse_args() -> argparse.Namespace:
    """Command line; options are the parent's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_general_options(parser)
    tasks = parser.add_subparsers(dest="task", required=True)
    plot, times = tasks.add_parser("plot_curve"), tasks.add_parser("cal_train_time")
    for each in (plot, times):
        each.add_argument("json_logs", nargs="+", metavar="LOG", help="work dirs or scalars.json")
    plot.add_argument("--keys", nargs="+", default=["loss"], help="of the log's lines (loss)")
    plot.add_argument("--title", help="of the figure")
    plot.add_argument("--legend", nargs="+", help="a name for each log and key")
    plot.add_argument("--style", default="whitegrid", help="seaborn's, where it is installed")
    plot.add_argument("--out", help="picture to write; a window opens otherwise")
    plot.add_argument("--window-size", default="12*7", metavar="W*H", help="in inches (12*7)")
    times.add_argument(
        "--include-outliers", action="store_true", help="count the first line of each epoch too"
    )
    return parser.parse_args()


def find_log(name: str) -> Path:
    """The log that a file or work dir stands for.

    Raises:
        FileNotFoundError: There is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    logs = sorted(path.glob("*/vis_data/scalars.json"))
    trained = [log for log in logs if '"loss"' in log.read_text()]
    if not trained:
        raise FileNotFoundError(f"{name} has no training log: tools/train.py CONFIG writes one")
    return trained[-1]


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        logs = [find_log(name) for name in args.json_logs]
        if args.task == "plot_curve":
            if not re.fullmatch(r"\d+\*\d+", args.window_size):
                raise ValueError(f"--window-size {args.window_size}: expected W*H, such as 12*7")
            names = [Path(name).stem for name in args.json_logs]
            args.legend = args.legend or [f"{name} {key}" for name in names for key in args.keys]
            if len(args.legend) != len(logs) * len(args.keys):
                raise ValueError(f"--legend: expected {len(logs) * len(args.keys)} names")
        from wsol_mm.apis.parent_tools import parent_tool

        tool = parent_tool("mmpretrain", "analysis_tools/analyze_logs.py")
        lines = [tool.load_json_log(log) for log in logs]
        args.json_logs = [str(log) for log in logs]
        try:
            getattr(tool, args.task)(lines, args)
        except KeyError as error:
            raise ValueError(f"not every line of the logs has the key {error}") from error


if __name__ == "__main__":
    main()
