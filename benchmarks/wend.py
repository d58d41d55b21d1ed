"""Speed of WEND's detectors against single-class regression, and of their target assignment.

Detectors: parameters, multiply-adds, time of a training step and of a batch at test for SCR and the
binary-class detectors on one backbone, which take turns, beside the paper's Table 1. A row fails
where it takes longer than its limit: dense heads 25 % more than their multiply-adds explain, the
lean head 1.1 times SCR at test. RoI heads and Deformable DETR are reported. Each limit is widened
by the noise floor, by which a second SCR differed from the first.

Assignment: mmdet's targets of a batch, image by image, against ours, all images at once; results
are compared before they are timed.

    python -m benchmarks.wend                            # all; writes docs/benchmarks.md
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
from benchmarks.target_assignment import CASES, batch, speed
from studies.harness.report import machine, write_block

ROOT = Path(__file__).resolve().parents[1]
CONFIGS, DOCS = ROOT / "configs", ROOT / "docs" / "benchmarks.md"
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
        paper: Parameters in millions and seconds per batch in the paper's Table 1.
    """

    title: str
    config: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: float | str | None = None
    paper: tuple[float, float] | None = None


# no box is dropped for its score, so that post-processing has as much to do as it can have
EVERY_BOX = {"model.detector.test_cfg.score_thr": 0.0}
CLASSES = "model.detector.bbox_head.num_classes"
ROWS = {
    BASE: Row("SCR", "psol/scr_r50_cub.py", paper=(24.55, 0.331)),
    "fcos": Row("FCOS", "wend/fcos_r50_cub.py", EVERY_BOX, "macs", (99.12, 0.245)),
    "fcos_200": Row(
        "FCOS, 200 classes",
        "wend/fcos_r50_cub.py",
        {**EVERY_BOX, CLASSES: 200},
        "macs",
        (102.79, 0.382),
    ),
    "fcos_1000": Row(
        "FCOS, 1000 classes",
        "wend/fcos_r50_cub.py",
        {**EVERY_BOX, CLASSES: 1000},
        "macs",
        (117.54, 0.408),
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


def table(
    rows: Mapping[str, Row],
    results: Mapping[str, Mapping[str, Any]],
    size: int,
    side: int,
    rounds: int,
    device: str,
) -> str:
    """The detectors' part of the document."""
    lines = [
        "| detector | parameters, M (paper) | multiply-adds at test, G per image | behind the "
        "backbone | ratio | test, ms per batch | ratio | limit | paper's ratio | without "
        "post-processing, ms | train step, ms | ratio | multiply-adds' ratio | limit |",
        "|" + "---|" * 14,
    ]

    def limit(result: Mapping[str, Any], where: str) -> str:
        most = result[f"limit_{where}"]
        if most is None:
            return "none"
        return f"{most:.2f}" + ("" if result[f"ratio_{where}"] <= most else " (exceeded)")

    for name, row in rows.items():
        r = results[name]
        title = f"{ROWS[BASE].title} again" if name == TWIN else row.title
        sizes, seconds = row.paper if row.paper and name != TWIN else (None, None)
        behind = r["macs_test"] - r["macs_backbone"]
        lines.append(
            f"| {title} | {r['params'] / 1e6:.2f}{'' if sizes is None else f' ({sizes:.2f})'} "
            f"| {r['macs_test'] / size / 1e9:.2f} | {behind / size / 1e9:.2f} "
            f"| {r['ratio_macs_test']:.2f} | {r['test']:.0f} | {r['ratio_test']:.2f} "
            f"| {limit(r, 'test')} "
            f"| {'' if seconds is None else f'{seconds / ROWS[BASE].paper[1]:.2f}'} "
            f"| {r['network']:.0f} | {r['train']:.0f} | {r['ratio_train']:.2f} "
            f"| {r['ratio_macs_train']:.2f} | {limit(r, 'train')} |"
        )
    noise = ", ".join(
        f"{100 * abs(results[TWIN][f'ratio_{where}'] - 1):.1f} % {name}"
        for where, name in (("test", "at test"), ("train", "of a training step"))
    )
    text = [
        f"`configs/wend` and `configs/psol` with ResNet-50 for CUB, {side} px, batch {size}, "
        f"{where_measured(device)}; medians",
        f"of {rounds} rounds in which the models take turns. Ratios are to SCR. Weights are random "
        "and no box is dropped for",
        "its score: post-processing has as much to do as it can have. Equal models differ, too: "
        "the noise floor, by which a",
        f"second SCR differed, is {noise}, and is added to each limit. Multiply-adds are those of "
        "convolutions",
        "and matrix products; RoIAlign and deformable sampling are not among them. The paper does "
        "not say which side its seconds",
        "per batch (Table 1) are of.",
        "",
        *lines,
    ]
    if "fcos" in results:
        text += ["", dominates(results, size, side)]
    return "\n".join(text)


def dominates(results: Mapping[str, Mapping[str, Any]], size: int, side: int) -> str:
    """What makes FCOS dearer than SCR, in words.

    >>> base = {"macs_backbone": 4e9, "macs_test": 4e9, "test": 10.0, "network": 10.0}
    >>> fcos = {"macs_test": 8e9, "ratio_macs_test": 2.0, "ratio_test": 1.9, "network": 18.0}
    >>> text = dominates({BASE: base, "fcos": base | fcos | {"test": 20.0}}, 1, 224)
    >>> "3.70 G of FCOS's 8.00 G" in text, "10 % of the time" in text
    (True, True)
    """
    fcos = results["fcos"]
    cells = (side // 32) ** 2
    towers = 2 * 9 * 2048**2 * cells
    total = fcos["macs_test"] / size
    share = 1 - fcos["network"] / fcos["test"]
    paper = ROWS["fcos"].paper[1] / ROWS[BASE].paper[1]
    return (
        f"What dominates: the two 3x3 layers from 2048 to 2048 channels are {towers / 1e9:.2f} G "
        f"of FCOS's {total / 1e9:.2f} G multiply-adds\nat test, beside "
        f"{fcos['macs_backbone'] / size / 1e9:.2f} G of the backbone, which is nearly all of SCR; "
        f"post-processing takes {max(0, round(100 * share))} % of the time.\nOne class instead of "
        f"many saves the last layer's channels, not the towers: the ratio to SCR is "
        f"{fcos['ratio_test']:.2f}, where the paper has {paper:.2f}."
    )


def assignment_table(found: Mapping[str, Mapping[str, float]], size: int, device: str) -> str:
    """The targets' part of the document."""
    lines = [
        "| targets of | mmdet, ms | all images at once, ms | times faster |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {CASES[name].title} | {r['theirs']:.2f} | {r['ours']:.2f} | {r['ratio']:.1f} |"
        for name, r in found.items()
    ]
    return "\n".join(
        [
            f"Target assignment of a batch of {size} with one box per image, "
            f"{where_measured(device)}, sides in turn; at least {LEAST:g} times",
            "faster is asked for. Results were equal before the timing, with 0, 1 and 3 boxes per "
            "image in one batch, and every",
            "candidate kept where samples are drawn.",
            "",
            *lines,
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run, print, write the document; 1 if results differ or a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*ROWS, "assign"], help="SCR is always there")
    parser.add_argument("--batch", type=int, default=8, help="images of a detector's batch (8)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the detectors (7)")
    parser.add_argument("--quick", action="store_true", help="96 px, batch 2, 2 rounds, no limits")
    parser.add_argument("--docs", type=Path, help="document to write (a full run writes docs/)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    device = get_device()
    size, rounds, side = (2, 2, 96) if args.quick else (args.batch, args.rounds, 224)
    wanted = set(args.only or [*ROWS, "assign"])
    parts, line, passed = ["## Detectors against single-class regression"], {}, True
    if wanted & set(ROWS):
        rows = {name: row for name, row in ROWS.items() if name in wanted | {BASE}}
        rows[TWIN] = rows[BASE]
        results = compare(rows, measure(rows, size, side, rounds, device))
        passed = all(result["passed"] for result in results.values())
        parts.append(table(rows, results, size, side, rounds, device))
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
        parts.append(assignment_table(found, images, device))
        if not same:
            parts.append(f"Results differ: {[n for n, r in found.items() if not r['same']]}")
    facts = "; ".join(f"{name} {value}" for name, value in machine().items())
    text = "\n\n".join([*parts, f"`python -m benchmarks.wend`. Machine: {facts}."])
    print(text)
    docs = args.docs or (None if args.quick or args.only else DOCS)
    if docs and same:
        write_block(docs, "wend", text)
    print(json.dumps({key: round(value, 3) for key, value in line.items()}))
    return 0 if same and (passed or args.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
