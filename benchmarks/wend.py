"""Speed of WEND's detectors against single-class regression, and of their target assignment.

Detectors: parameters, multiply-adds, time of a training step and of a batch at test for SCR and the
binary-class detectors on one backbone, which take turns, beside the paper's Table 1. A row fails
where it takes longer than its limit: dense heads 25 % more than their multiply-adds explain, the
lean head 1.1 times SCR at test. RoI heads and Deformable DETR are reported. Each limit is widened
by the noise floor, by which a second SCR differed from the first.

Assignment: mmdet's targets of a batch, image by image, against ours, all images at once; results
are compared before they are timed.

    python -m benchmarks.wend                            # all; writes benchmarks/results
    python -m benchmarks.wend --only fcos_lean assign    # some, writes nothing
    python -m benchmarks.wend --quick                    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from benchmarks.measure import Call, Subject, multiply_adds, ratio, take_turns, where_measured
from benchmarks.record import add_result_options, finish, measured
from benchmarks.target_assignment import CASES, batch, speed
from studies.papers.numbers import load_paper

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
PAPER = load_paper("wend")["Table 1"]
MARGIN = 1.25  # by how much a time ratio may pass that of the multiply-adds
LEAST = 3.0  # how many times faster targets must be found
SIDES = ("train", "test")
BASE, TWIN = "scr", "scr again"


@dataclass(frozen=True)
class Row:
    """One detector of the table.

    Attributes:
        title: Its name there.
        config: Config below ``configs/``.
        options: Keys of the config with another value.
        limit: Largest ratio to SCR: a number for the time at test, ``macs`` for ``MARGIN`` times
            the ratio of the multiply-adds, at test and in training; None for none.
        paper: Its row in the paper's Table 1: parameters in millions, seconds per batch.
    """

    title: str
    config: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: float | str | None = None
    paper: tuple[float, float] | None = None


def printed(method: str) -> tuple[float, float]:
    """The numbers of a row of the paper's Table 1.

    >>> printed("SCR")
    (24.55, 0.331)
    """
    (row,) = (row for row in PAPER.rows if row.labels == (method,))
    parameters, seconds = map(float, row.paper)
    return parameters, seconds


# no box is dropped for its score, so that post-processing has as much to do as it can have
EVERY_BOX = {"model.detector.test_cfg.score_thr": 0.0}
CLASSES = "model.detector.bbox_head.num_classes"
ROWS = {
    BASE: Row("SCR", "psol/scr_r50_cub.py", paper=printed("SCR")),
    "fcos": Row("FCOS", "wend/fcos_r50_cub.py", EVERY_BOX, "macs", printed("BCD")),
    "fcos_200": Row(
        "FCOS, 200 classes",
        "wend/fcos_r50_cub.py",
        {**EVERY_BOX, CLASSES: 200},
        "macs",
        printed("FCOS with 200 classes"),
    ),
    "fcos_1000": Row(
        "FCOS, 1000 classes",
        "wend/fcos_r50_cub.py",
        {**EVERY_BOX, CLASSES: 1000},
        "macs",
        printed("FCOS with 1000 classes"),
    ),
    "fcos_lean": Row("lean FCOS", "wend/fcos_r50_cub_lean.py", EVERY_BOX, 1.1),
    "faster_rcnn": Row(
        "Faster R-CNN",
        "wend/faster_rcnn_r50_cub.py",
        {"model.detector.test_cfg.rcnn.score_thr": 0.0},
    ),
    "cln": Row("CLN", "wend/cln_r50_cub.py", {"model.detector.test_cfg.rcnn.score_thr": 0.0}),
    "deformable_detr": Row("Deformable DETR", "wend/deformable_detr_r50_cub.py"),
}


def subject(row: Row, size: int, side: int, device: str) -> Subject:
    """A row's model with untrained weights, its optimizer and its batch."""
    path = CONFIGS / row.config
    if not path.is_file():
        raise FileNotFoundError(f"config {path} does not exist: write it or remove its row")
    cfg = Config.fromfile(path)
    cfg.merge_from_dict({"model.detector.backbone.init_cfg": None, **row.options})
    found = Subject(cfg, partial(batch, size, side), device)
    MMLogger.get_current_instance().setLevel("WARNING")  # or each weight is logged
    found.model.init_weights()
    return found


def network(found: Subject) -> None:
    """A batch at test without post-processing."""
    found.model.eval()
    with torch.no_grad():
        data = found.model.data_preprocessor(found.batch())
        found.model(**data, mode="tensor")


def backbone(found: Subject) -> None:
    """A batch through the backbone alone."""
    found.model.eval()
    with torch.no_grad():
        data = found.model.data_preprocessor(found.batch())
        found.model.detector.backbone(data["inputs"])


def macs_at_test(found: Subject, call: Call) -> int:
    """Multiply-adds of a call without gradients.

    torch's counter stumbles over pieces of a parameter that are split off without gradients, as
    Deformable DETR does, unless the parameter has none itself.
    """
    trained = [p for p in found.model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        return multiply_adds(call)
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def measure(
    rows: Mapping[str, Row], size: int, side: int, rounds: int, device: str
) -> dict[str, dict[str, Any]]:
    """Parameters, multiply-adds and the times of every round of every row.

    Returns:
        Row to ``params``; ``macs_train`` of a step, ``macs_test`` and ``macs_backbone`` of a batch;
        ``train``, ``test`` and ``network`` (test without post-processing): milliseconds of a batch
        in each round.
    """
    calls: dict[str, Call] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        made = subject(row, size, side, device)
        with DefaultScope.overwrite_default_scope("mmdet"):
            found[name] = {  # warms up, too
                "params": sum(p.numel() for p in made.model.parameters()),
                "macs_train": multiply_adds(made.train),
                "macs_test": macs_at_test(made, made.test),
                "macs_backbone": macs_at_test(made, partial(backbone, made)),
            }
        calls |= {f"{name}/train": made.train, f"{name}/test": made.test}
        calls[f"{name}/network"] = partial(network, made)
    times = take_turns(calls, rounds, device)
    for key, values in times.items():
        name, side_name = key.split("/")
        found[name][side_name] = values
    return found


def compare(rows: Mapping[str, Row], found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Medians, ratios to SCR, limits and whether they hold.

    >>> cost = {"params": 1, "macs_train": 6, "macs_test": 2, "macs_backbone": 2, "network": [1.0]}
    >>> found = {BASE: {**cost, "train": [4.0], "test": [1.0]},
    ...          TWIN: {**cost, "train": [4.4], "test": [1.0]},
    ...          "a": {**cost, "macs_test": 4, "train": [5.0], "test": [2.6]}}
    >>> rows = {name: Row(name, "", limit="macs" if name == "a" else None) for name in found}
    >>> result = compare(rows, found)["a"]
    >>> result["ratio_test"], result["limit_test"], round(result["limit_train"], 2)
    (2.6, 2.5, 1.35)
    >>> result["passed"]
    False
    """
    noise = {side: abs(ratio(found[TWIN][side], found[BASE][side]) - 1) for side in SIDES}
    results: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        mine, base = found[name], found[BASE]
        result = {key: mine[key] for key in mine if key not in (*SIDES, "network")}
        result |= {key: statistics.median(mine[key]) for key in (*SIDES, "network")}
        for side in SIDES:
            result[f"ratio_{side}"] = ratio(mine[side], base[side])
            explained = mine[f"macs_{side}"] / base[f"macs_{side}"]
            result[f"ratio_macs_{side}"] = explained
            limit = None
            if row.limit == "macs":
                limit = MARGIN * explained
            elif row.limit is not None and side == "test":
                limit = row.limit
            result[f"limit_{side}"] = None if limit is None else limit + noise[side]
        result["passed"] = all(
            result[f"limit_{side}"] is None or result[f"ratio_{side}"] <= result[f"limit_{side}"]
            for side in SIDES
        )
        results[name] = result
    return results


def rows_of(
    rows: Mapping[str, Row], results: Mapping[str, Mapping[str, Any]], size: int
) -> list[dict[str, Any]]:
    """What is kept of each detector."""
    found = []
    for name, row in rows.items():
        r = results[name]
        sizes, seconds = row.paper if row.paper and name != TWIN else (None, None)
        found.append(
            {
                "detector": f"{ROWS[BASE].title} again" if name == TWIN else row.title,
                "parameters_m": r["params"] / 1e6,
                "paper_parameters_m": sizes,
                "multiply_adds_g": r["macs_test"] / size / 1e9,
                "behind_backbone_g": (r["macs_test"] - r["macs_backbone"]) / size / 1e9,
                "ratio_multiply_adds": r["ratio_macs_test"],
                "test_ms": r["test"],
                "ratio_test": r["ratio_test"],
                "limit_test": r["limit_test"],
                "paper_ratio": seconds and seconds / ROWS[BASE].paper[1],
                "network_ms": r["network"],
                "train_ms": r["train"],
                "ratio_train": r["ratio_train"],
                "ratio_multiply_adds_train": r["ratio_macs_train"],
                "limit_train": r["limit_train"],
            }
        )
    return found


def towers(side: int) -> float:
    """G multiply-adds of FCOS's two 3x3 layers from 2048 to 2048 channels on C5.

    >>> round(towers(224), 2)
    3.7
    """
    return 2 * 9 * 2048**2 * (side // 32) ** 2 / 1e9


def target_rows(found: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What is kept of each target assignment."""
    return [
        {
            "targets": CASES[name].title,
            "mmdet_ms": r["theirs"],
            "batch_ms": r["ours"],
            "ratio": r["ratio"],
        }
        for name, r in found.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """Run, print, keep the record; 1 if results differ or a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*ROWS, "assign"], help="SCR is always there")
    parser.add_argument("--batch", type=int, default=8, help="images of a detector's batch (8)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the detectors (7)")
    parser.add_argument("--quick", action="store_true", help="96 px, batch 2, 2 rounds, no limits")
    add_result_options(parser)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    device = get_device()
    size, rounds, side = (2, 2, 96) if args.quick else (args.batch, args.rounds, 224)
    wanted = set(args.only or [*ROWS, "assign"])
    settings = {"side": side, "batch": size, "where": where_measured(device), "rounds": rounds}
    settings |= {"least": LEAST, "towers_g": towers(side)}
    kept: list[dict[str, Any]] = []
    more: dict[str, list[dict[str, Any]]] = {}
    line, passed = {}, True
    if wanted & set(ROWS):
        rows = {name: row for name, row in ROWS.items() if name in wanted | {BASE}}
        rows[TWIN] = rows[BASE]
        results = compare(rows, measure(rows, size, side, rounds, device))
        passed = all(result["passed"] for result in results.values())
        kept = rows_of(rows, results, size)
        settings |= {f"noise_{s}": abs(results[TWIN][f"ratio_{s}"] - 1) for s in SIDES}
        if "fcos" in results:
            line["bcd_over_scr_infer"] = results["fcos"]["ratio_test"]
            line["bcd_over_scr_macs"] = results["fcos"]["ratio_macs_test"]
        if "fcos_lean" in results:
            line["lean_over_scr_infer"] = results["fcos_lean"]["ratio_test"]
    same = True
    if "assign" in wanted:
        images = 8 if args.quick else 64
        found = {
            name: speed(case, images, 5 if args.quick else 21, device)
            for name, case in CASES.items()
        }
        same = all(result["same"] for result in found.values())
        line["assign_speedup"] = min(result["ratio"] for result in found.values())
        passed = passed and line["assign_speedup"] >= LEAST
        more["targets"] = target_rows(found)
        settings["target_images"] = images
        if not same:
            print(f"Results differ: {[n for n, r in found.items() if not r['same']]}")
    record = measured("wend", "python -m benchmarks.wend", settings, kept, more)
    full = not (args.quick or args.only)
    finish(record, args.results if same else None, full and same)
    print(json.dumps({key: round(value, 3) for key, value in line.items()}))
    return 0 if same and (passed or args.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
