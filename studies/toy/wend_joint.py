"""All of WEND on toy scenes: pseudo boxes once, then SCR and four detectors on them, in one table.

    python -m studies.toy.wend_joint --out work_dirs/effects --seeds 0 1 2 --jobs 2
    python -m studies.toy.wend_joint --out work_dirs/effects -- --objects 3

The CAM is trained where it is missing and draws the boxes of the training images; it is also the
table's row of maps and the classifier of every Top-1 Loc (tools/test.py --dump-scores, then
tools/joint_eval.py). SCR and each detector, with its weighted entropy and without, are trained on
these boxes. Writes into the folder OUT:

* wend_joint.md: the table, means over the seeds, and captions;
* wend_joint_curves.png: GT-known on val after each epoch (the paper's Figure 3, and 4 with --etas);
* wend_joint_boxes.jpg: true boxes and those of SCR and Faster R-CNN + WE on test images of the
  first seed, evenly spread and the worst (Figures 5 to 7).

Dials of make_toy.py may follow `--`; the files are then named after them. What is finished is
skipped when the command is started again.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from studies.effects.effect import distinct
from studies.harness.report import write_block
from studies.harness.run import best_checkpoint, run_trials, trial_folder
from studies.harness.trial import PseudoBoxes, Trial, resolved_config, trial_key
from studies.toy.detectors import CAM, DETECTORS, SCR, at_eta, without_entropy
from studies.toy.wend_figures import SHOWN, curve, draw_comparison, plot_curves, predict
from wsol_mm.apis.command import one_line_errors
from wsol_mm.apis.true_boxes import read_boxes, true_boxes
from wsol_mm.evaluation.records import load_records
from wsol_mm.functional.box_agreement import Agreement, agreement
from wsol_mm.functional.matched_counts import boxes_at_mean, top_boxes
from wsol_mm.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
FIGURE_3 = {"SCR": "SCR", "Faster R-CNN": "BCD", "Faster R-CNN + WE": "BCD + WE"}
JUDGED = "Faster R-CNN + WE"
COLUMNS = {
    "gt_known": "GT-known, top box",
    "multi_gt_known": "GT-known, all boxes",
    "top2_gt_known": "best 2 boxes",
    "multi5_gt_known": "best 5 boxes",
    "mean2_gt_known": "score cut at 2 boxes per image",
    "mean_boxes": "boxes per image",
    "own_boxes": "its training boxes, IoU .5",
    "own_bias": "their area ratio",
    "top1_loc": "Top-1 Loc",
    "max_box_acc_v2": "MaxBoxAccV2, top box",
    "multi_box_acc_v2": "MaxBoxAccV2, all boxes",
    "coco_ap50": "AP50",  # only where images have several objects
    "coco_ap": "AP",
}
TRIVIAL = {"trivial_centre": "best centred box", "trivial_whole": "whole image"}


@dataclass
class Row:
    """One method with the results of its seeds."""

    name: str
    trial: Trial
    results: list[dict[str, Any]] = field(default_factory=list)

    def mean(self, metric: str, digits: int = 1) -> str:
        """Mean, and from two seeds on standard deviation, over the seeds that have the metric."""
        known = [
            result["metrics"][metric] for result in self.results if metric in result["metrics"]
        ]
        if not known:
            return ""
        spread = f" ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 else ""
        return f"{statistics.fmean(known):.{digits}f}{spread}"

    @property
    def seconds(self) -> str:
        """Mean seconds of training; a run that was cut off has none."""
        known = [result["train_seconds"] for result in self.results]
        known = [seconds for seconds in known if seconds is not None]
        return f"{statistics.fmean(known):.0f}" if known else ""


def table_rows() -> list[Row]:
    """Every row of the table, without results; the CAM is the first."""
    trials = {"CAM (maps)": CAM, "SCR": SCR}
    for name, trial in DETECTORS.items():
        trials |= {name: without_entropy(trial), f"{name} + WE": trial}
    return [Row(name, trial) for name, trial in trials.items()]


def eta_rows(etas: Sequence[float]) -> list[Row]:
    """Curves of Figure 4, without results."""
    detector = DETECTORS["Faster R-CNN"]
    return [Row(f"eta {eta:g}", at_eta(detector, eta)) for eta in etas]


def shortened(trial: Trial, epochs: int) -> Trial:
    """The trial, and what it takes from others, cut off after some epochs."""
    changes = {"train_cfg.max_epochs": epochs, "train_cfg.val_interval": 1}
    inputs = {
        name: replace(source, maker=shortened(source.maker, epochs))
        if isinstance(source, PseudoBoxes)
        else shortened(source, epochs)
        for name, source in trial.inputs.items()
    }
    return replace(trial, options={**trial.options, **changes}, inputs=inputs)


def box_rule(cfg: Config) -> str:
    """Which boxes of an image count in the columns of all boxes, as the config has it."""
    model = cfg.model.get("detector", cfg.model)
    test = model.get("test_cfg") or {}
    test = test.get("rcnn", test)
    if "nms" in test:
        return (
            f"score from {test.score_thr:g}, NMS at {test.nms.iou_threshold:g}, "
            f"at most {test.max_per_img}"
        )
    if "num_queries" in model:
        return f"all {min(model.num_queries, test.max_per_img)} queries"
    return "one"


def parameters(cfg: Config) -> int:
    """Parameters of a config's model."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    return sum(parameter.numel() for parameter in model.parameters())


def run_tool(name: str, *words: object) -> None:
    """Run one of the repository's tools.

    Raises:
        RuntimeError: It failed.
    """
    command = [str(ROOT / "tools" / name), *map(str, words)]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise RuntimeError(f"{name} ended with {done.returncode}: {last}")


def classifier_scores(cam: Trial, root: Path) -> Path:
    """The CAM's class scores of the test split, cached once."""
    folder = trial_folder(cam, root)
    file = folder / "scores.npz"
    if not file.is_file():
        checkpoint = best_checkpoint(folder / "train")
        words = ("--threshold", "oracle", "--work-dir", folder / "scores", "--dump-scores", file)
        run_tool("test.py", folder / "config.py", checkpoint, *words)
    return file


def add_classes(rows: Sequence[Row], root: Path) -> None:
    """Join the boxes of every row but the CAM's with its classifier; computed once."""
    for row in rows[1:]:
        for result in row.results:
            trial = replace(row.trial, seed=result["seed"])
            scores = classifier_scores(replace(rows[0].trial, seed=result["seed"]), root)
            test = trial_folder(trial, root) / f"test-{trial_key(trial)[:8]}"
            file = test / "joint.json"
            if not file.is_file():
                words = ("--scores", scores, "--out", file, "--bootstrap", 0)
                run_tool("joint_eval.py", "--boxes", test / "result_wsol_records.npz", *words)
            result["metrics"]["top1_loc"] = json.loads(file.read_text())["top1_loc"]


def add_counts(rows: Sequence[Row], root: Path) -> None:
    """Several boxes at matched counts, of every row but the CAM's, from the records of its test."""
    for row in rows[1:]:
        for result in row.results:
            trial = replace(row.trial, seed=result["seed"])
            test = trial_folder(trial, root) / f"test-{trial_key(trial)[:8]}"
            records, _ = load_records(test / "result_wsol_records.npz")
            result["metrics"]["top2_gt_known"] = top_boxes(records, 2)
            result["metrics"]["mean2_gt_known"] = boxes_at_mean(records, 2)


def training_file(config: Path) -> Path:
    """The file of boxes that a written config trains on."""
    return Path(Config.fromfile(config).train_dataloader.dataset.pseudo_boxes)


def add_own_boxes(rows: Sequence[Row], root: Path) -> None:
    """How right the boxes are that a row was trained on: against the truth that it never saw."""
    known: dict[Path, Agreement] = {}
    for row in rows[1:]:
        for result in row.results:
            config = trial_folder(replace(row.trial, seed=result["seed"]), root) / "config.py"
            file = training_file(config)
            if file not in known:
                known[file] = agreement(read_boxes(file)[0], true_boxes(config, "train"))
            result["metrics"]["own_boxes"] = known[file].iou50
            result["metrics"]["own_bias"] = known[file].area_ratio


def table(rows: Sequence[Row]) -> str:
    """Markdown table of all rows, the trivial predictors below."""
    measured = {key for row in rows for result in row.results for key in result["metrics"]}
    columns = {key: title for key, title in COLUMNS.items() if key in measured}
    head = ["method", *columns.values(), "boxes counted", "training, s", "parameters, M", "seeds"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cfg = resolved_config(row.trial)
        means = [row.mean(key, 2 if key == "own_bias" else 1) for key in columns]
        cells = [row.name, *means, box_rule(cfg), row.seconds]
        cells += [f"{parameters(cfg) / 1e6:.2f}", str(len(row.results))]
        lines.append("| " + " | ".join(cells) + " |")
    longest = max(rows, key=lambda row: len(row.results))
    for key, name in TRIVIAL.items():
        known = {"gt_known": f"{key}_iou50", "max_box_acc_v2": key}
        cells = [longest.mean(known[column]) if column in known else "" for column in columns]
        lines.append("| " + " | ".join([name, *cells, "one", "", "", ""]) + " |")
    return "\n".join(lines)


def heading(args: argparse.Namespace) -> str:
    """Title of the section and the command that makes it."""
    words = ["--seeds", *args.seeds, *(["--etas"] if args.etas else [])]
    words += [f"{eta:g}" for eta in args.etas]
    words += ["--epochs", args.epochs] if args.epochs else []
    words += ["--", *args.dials] if args.dials else []
    scenes = f", scenes of `{' '.join(args.dials)}`" if args.dials else ""
    command = " ".join(["python -m studies.toy.wend_joint", *map(str, words)])
    return f"## SCR and four detectors on the same pseudo boxes{scenes}\n\n`{command}`"


def notes(rows: Sequence[Row], seeds: Sequence[int], dials: Sequence[str]) -> str:
    """What the numbers of the table belong to."""
    results = [result for row in rows for result in row.results]
    protocols = distinct(result["stamp"]["protocol"]["name"] for result in results)
    facts = distinct(
        "; ".join(f"{name} {value}" for name, value in result["machine"].items())
        for result in results
    )
    return (
        f"Toy scenes, dials {' '.join(dials) or 'default'}, test split, protocol "
        f"{protocols}, percent, mean ± standard deviation over seeds "
        f"{' '.join(map(str, seeds))}. All detectors and SCR read the same boxes of the training "
        f"images, drawn once by the CAM (`{CAM.config}`) at the threshold of val; checkpoints are "
        f"those val chose. A row without WE has the eta and rate of the row below. Top-1 Loc joins "
        f"the top box with the CAM's classifier (Top-1 Cls {rows[0].mean('top1_cls')}). Of the "
        f"CAM the box is its largest component's at the threshold of val, but its MaxBoxAccV2 is "
        f"that of maps: the best threshold and any component's box. The more boxes a row counts, "
        f"the easier its columns of all boxes; those of the best 2 and 5 boxes, and of the score "
        f"cut that leaves 2 boxes per image, are at equal counts. The training boxes' IoU and "
        f"their area over the true one's are of the training split, whose true boxes no row saw. "
        f"AP, where images have several objects, is COCO's of one class. Training is wall clock "
        f"with validation. {facts}."
    )


def draw_curves(rows: Sequence[Row], etas: Sequence[Row], path: Path) -> str:
    """Draw GT-known after each epoch; returns the caption."""
    named = {row.name: row for row in rows}
    chosen = {"SCR, BCD and BCD + WE": {FIGURE_3[name]: named[name] for name in FIGURE_3}}
    if etas:
        chosen["BCD + WE by eta"] = {row.name: row for row in etas}
    panels = {
        title: {
            name: curve([result["history"] for result in row.results], "gt_known")
            for name, row in lines.items()
        }
        for title, lines in chosen.items()
    }
    plot_curves(panels, path)
    return (
        f"GT-known of the top box on val after each epoch (logarithmic axis), mean and range over "
        f"{len(named['SCR'].results)} seed(s). BCD is Faster R-CNN, without entropy at the same "
        f"eta; where eta changes, the rate times eta stays what it is in the config, so that only "
        f"the share of the entropy changes."
    )


def draw_pictures(rows: Sequence[Row], root: Path, images: int, path: Path) -> str:
    """Draw boxes of the first seed; returns the caption."""
    models = {}
    for row in rows:
        if row.name in ("SCR", JUDGED):
            folder = trial_folder(replace(row.trial, seed=row.results[0]["seed"]), root)
            models[row.name] = predict(folder / "config.py", best_checkpoint(folder / "train"))
    draw_comparison(models, JUDGED, images, path)
    return (
        f"True boxes (green), SCR's box and the boxes of {JUDGED} (top box red with its IoU, "
        f"others orange from score {SHOWN:g} on), seed {rows[0].results[0]['seed']}. Chosen by "
        f"rule: left {images} test images at a fixed stride, right the {images} where the IoU of "
        f"{JUDGED} is smallest."
    )


def parse_args(words: Sequence[str]) -> argparse.Namespace:
    """Command line; what follows ``--`` becomes ``dials``."""
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("work_dirs/wend_joint"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, one thread each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--etas", type=float, nargs="*", default=[], help="curves of Figure 4, a training each"
    )
    parser.add_argument("--images", type=int, default=5, help="test images of each kind shown")
    parser.add_argument("--epochs", type=int, help="cut every training off, to see it work")
    parser.add_argument("--write-docs", type=Path, help="document that gets table and figures")
    args = parser.parse_args(words[:at])
    args.dials = tuple(words[at + 1 :])
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; 1 if a training failed."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    with one_line_errors():
        return run(args)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, then write the table and the figures.

    Raises:
        RuntimeError: A tool failed.
    """
    rows, etas = table_rows(), eta_rows(args.etas)
    for row in (*rows, *etas):
        if args.epochs:
            row.trial = shortened(row.trial, args.epochs)
        row.trial = replace(row.trial, dials=args.dials)
    wanted = [(row, seed) for seed in args.seeds for row in (*rows, *etas)]
    results = run_trials([replace(r.trial, seed=seed) for r, seed in wanted], args.out, args.jobs)
    for (row, _), result in zip(wanted, results, strict=True):
        if result is not None:
            row.results.append(result)
    add_classes(rows, args.out)
    add_counts(rows, args.out)
    add_own_boxes(rows, args.out)
    name = re.sub(r"\W+", "_", " ".join(["wend_joint", *args.dials]))
    text = f"{heading(args)}\n\n{table(rows)}\n\n{notes(rows, args.seeds, args.dials)}"
    print(f"\n{text}\n")
    files = {}
    if None not in results:
        curves, boxes = args.out / f"{name}_curves.png", args.out / f"{name}_boxes.jpg"
        files[curves] = draw_curves(rows, etas, curves)
        files[boxes] = draw_pictures(rows, args.out, args.images, boxes)
    for path, caption in files.items():
        text += f"\n\n![{caption.partition(',')[0]}]({path.name})\n\n{caption}"
    with atomic_write(args.out / f"{name}.md") as temporary:
        temporary.write_text(text + "\n")
    if args.write_docs and files:
        write_block(args.write_docs, name, text)
        for path in files:
            shutil.copy(path, args.write_docs.parent)
    print("written:", args.out / f"{name}.md", *files)
    return 0 if files else 1


if __name__ == "__main__":
    sys.exit(main())
