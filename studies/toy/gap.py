"""Measure the gap of the toy scenes: best centred box < plain CAM < detector on true boxes.

For each seed: draw the scenes, train the CAM from image labels, train the detector on the true
boxes, test both, each map at the best threshold of the test split. The scenes are right when, in
the mean over the seeds,

    best centred box + 5 points <= CAM <= detector on true boxes - 15 points    (GT-known)

and the CAM's classifier reaches 90 % Top-1. Dials of make_toy.py may follow `--`:

    python -m studies.toy.gap --out work_dirs/toy_gap [-- --part-size 0.3]

A run that was cut off continues where it was.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

from studies.harness.report import machine, write_block
from wsol_mm.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
CAM = ROOT / "configs/cam/resnet18_toy.py"
DETECTOR = ROOT / "configs/wend/faster_rcnn_r18_toy_oracle.py"
COLUMNS = ("top1_cls", "centred", "cam", "detector", "cam_seconds")
BELOW, ABOVE, ACCURACY = 5.0, 15.0, 90.0


def run(*command: object) -> float:
    """Run one tool of this repository; return its seconds, or stop with it."""
    words = [str(word) for word in command]
    print(f"$ python {shlex.join(words)}", flush=True)
    start = time.time()
    code = subprocess.run([sys.executable, ROOT / words[0], *words[1:]], check=False).returncode
    if code:
        sys.exit(f"toy_gap stopped: the command above failed (exit code {code})")
    return time.time() - start


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint that the val split chose."""
    found = sorted(folder.glob("best_*.pth"))
    if not found:
        sys.exit(f"toy_gap stopped: no best_*.pth in {folder}; delete the folder and start again")
    return found[-1]


def measure(out: Path, seed: int, dials: list[str]) -> dict[str, float]:
    """Train and test one seed; kept in `row.json`, which is read when it is there."""
    row_file = out / "row.json"
    if row_file.is_file():
        kept = json.loads(row_file.read_text())
        if kept["dials"] != dials:
            sys.exit(f"toy_gap stopped: {out} was made with {kept['dials']}; choose another --out")
        return kept["row"]
    data, cam, detector = out / "toy", out / "cam", out / "detector"
    roots = [f"{split}_dataloader.dataset.data_root={data}" for split in ("train", "val", "test")]
    run("tools/dataset_converters/make_toy.py", "--out", data, "--seed", seed, *dials)
    train, common = "tools/train.py", ("--seed", seed, "--resume", "--cfg-options", *roots)
    seconds = run(train, CAM, "--work-dir", cam, *common)
    run(train, DETECTOR, "--work-dir", detector, *common)
    numbers = []
    for config, folder in ((CAM, cam), (DETECTOR, detector)):
        file = folder / "test.json"
        run(
            *("tools/test.py", config, best_checkpoint(folder), "--threshold", "oracle"),
            *("--work-dir", folder / "test", "--out", file, "--cfg-options", *roots),
        )
        numbers.append(json.loads(file.read_text()))
    row = {
        "top1_cls": numbers[0]["wsol/top1_cls"],
        "centred": numbers[0]["wsol/trivial_centre_iou50"],
        "cam": numbers[0]["wsol/gt_known"],
        "detector": numbers[1]["wsol/gt_known"],
        "cam_seconds": seconds,
    }
    with atomic_write(row_file) as temporary:
        temporary.write_text(json.dumps({"dials": dials, "row": row}, indent=2) + "\n")
    return row


def verdict(rows: list[dict[str, float]]) -> list[str]:
    """Say which of the conditions fail; empty when the dials are right."""
    mean = {key: statistics.fmean(row[key] for row in rows) for key in COLUMNS}
    failed = []
    if mean["top1_cls"] < ACCURACY:
        failed.append(f"Top-1 {mean['top1_cls']:.1f} is below {ACCURACY:g}")
    if mean["centred"] + BELOW > mean["cam"]:
        failed.append(f"CAM {mean['cam']:.1f} < best centred box {mean['centred']:.1f} + {BELOW:g}")
    if mean["cam"] > mean["detector"] - ABOVE:
        failed.append(f"CAM {mean['cam']:.1f} > detector {mean['detector']:.1f} - {ABOVE:g}")
    return failed


def table(seeds: list[int], rows: list[dict[str, float]]) -> str:
    """Markdown table of the rows with their mean and standard deviation."""
    lines = [
        "| seed | Top-1 Cls | best centred box | CAM | detector, true boxes | CAM training, s |",
        "|---|---|---|---|---|---|",
    ]
    for seed, row in zip(seeds, rows, strict=True):
        lines.append(f"| {seed} | " + " | ".join(f"{row[key]:.1f}" for key in COLUMNS) + " |")
    columns = [[row[key] for row in rows] for key in COLUMNS]
    lines.append("| mean | " + " | ".join(f"{statistics.fmean(c):.1f}" for c in columns) + " |")
    if len(rows) > 1:
        lines.append("| sd | " + " | ".join(f"{statistics.stdev(c):.1f}" for c in columns) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the tool."""
    words = sys.argv[1:] if argv is None else argv
    dials = words[words.index("--") + 1 :] if "--" in words else []
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for data and runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write-docs", type=Path, help="document that gets the table")
    args = parser.parse_args(words[: len(words) - len(dials) - 1] if dials else words)
    rows = [measure(args.out / f"seed{seed}", seed, dials) for seed in args.seeds]
    text = table(args.seeds, rows)
    print(f"\nGT-known in percent\n{text}\n")
    if args.write_docs:
        facts = "; ".join(f"{name} {value}" for name, value in machine().items())
        note = (
            f"GT-known in percent on the test split, oracle threshold, dials {dials or 'default'}."
        )
        write_block(args.write_docs, "toy_gap", f"{text}\n\n{note} {facts}.")
    failed = verdict(rows)
    print("the dials are right" if not failed else "the dials are wrong: " + "; ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
