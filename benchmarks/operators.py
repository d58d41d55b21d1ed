"""Detectors with mmcv's compiled operators and with the stand-in of ``wsol_mm.compat``, in turn.

mmcv's Python code reaches its operators through a name ``ext_module`` in each of its modules. Here
this name is set to one side or the other in one process, so that model, batch and machine are the
same; losses and boxes of both are compared before anything is timed. Times are those of the process
on one thread of the CPU, which other work does not lengthen.

Usage: ``python -m benchmarks.operators [--quick]``, where mmcv has compiled operators
(``WSOL_COMPILE_OPS=1 make env``). ``--quick`` runs elsewhere too, the stand-in against itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mmcv._ext
import mmcv.ops
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from benchmarks.measure import Subject, ratio, take_turns
from benchmarks.record import add_result_options, finish, measured
from benchmarks.target_assignment import batch
from wsol_mm.compat import mmcv_ext

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
LIMIT = 1.1  # largest ratio of a training step
COMPILED = Path(mmcv._ext.__file__) != Path(mmcv_ext.__file__)
# title to config and options: nms at test gets boxes of every score
DETECTORS: dict[str, tuple[str, dict[str, float]]] = {
    "Faster R-CNN": (
        "wend/faster_rcnn_r18_toy.py",
        {"model.detector.test_cfg.rcnn.score_thr": 0.0},
    ),
    "FCOS": ("wend/fcos_r18_toy.py", {"model.detector.test_cfg.score_thr": 0.0}),
    "Deformable DETR": ("wend/deformable_detr_r18_toy.py", {}),
}
SIDES = {"compiled": mmcv._ext, "stand-in": mmcv_ext, "stand-in again": mmcv_ext}


@contextmanager
def operators_of(module: Any) -> Iterator[None]:
    """mmcv's functions take their operators from ``module``."""
    users = [
        user
        for name, user in list(sys.modules.items())
        if name.startswith("mmcv.ops.") and hasattr(user, "ext_module")
    ]
    before = [user.ext_module for user in users]
    for user in users:
        user.ext_module = module
    try:
        yield
    finally:
        for user, old in zip(users, before, strict=True):
            user.ext_module = old


class Counted:
    """Operators of ``module``, which counts their calls by name."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return getattr(self.module, name)(*args, **kwargs)

        return called


def subject(detector: str, size: int, side: int) -> Subject:
    """A detector of ``DETECTORS`` with untrained weights."""
    config, options = DETECTORS[detector]
    cfg = Config.fromfile(CONFIGS / config)
    cfg.merge_from_dict({"model.detector.backbone.init_cfg": None, **options})
    MMLogger.get_current_instance().setLevel("WARNING")  # or each weight is logged
    found = Subject(cfg, partial(batch, size, side), "cpu")
    found.model.init_weights()
    return found


def step(made: Subject, module: Any) -> dict[str, Any]:
    """Losses of one training step; draws of samples and dropout are the same each time."""
    torch.manual_seed(0)
    made.model.train()
    with operators_of(module):
        return made.model.train_step(made.batch(), made.optimizer)


def predict(made: Subject, module: Any) -> list[torch.Tensor]:
    """Boxes of a batch at test."""
    made.model.eval()
    with operators_of(module), torch.no_grad():
        return [sample.pred_instances.bboxes for sample in made.model.test_step(made.batch())]


def measure(detector: str, size: int, side: int, rounds: int) -> dict[str, Any]:
    """Operators called in a step and in a batch at test; milliseconds of a step on each side.

    Raises:
        AssertionError: Losses or boxes of the sides differ.
    """
    made = subject(detector, size, side)
    with DefaultScope.overwrite_default_scope("mmdet"):
        for run in (predict, step):
            torch.testing.assert_close(run(made, SIDES["stand-in"]), run(made, SIDES["compiled"]))
        in_step, at_test = Counted(mmcv_ext), Counted(mmcv_ext)
        step(made, in_step)
        predict(made, at_test)
        times = take_turns(
            {name: partial(step, made, module) for name, module in SIDES.items()}, rounds, "cpu"
        )
    return {"step": dict(in_step.calls), "test": dict(at_test.calls), "times": times}


def compare(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Medians, ratio of the stand-in to the compiled operators and of the stand-in to itself.

    >>> same = compare({"compiled": [1.0, 2.0], "stand-in": [2.0, 2.0], "stand-in again": [1, 2]})
    >>> same["ratio"], same["noise"]
    (1.5, 0.25)
    """
    medians = {name: statistics.median(values) for name, values in times.items()}
    again = ratio(times["stand-in again"], times["stand-in"])
    return {
        **medians,
        "ratio": ratio(times["stand-in"], times["compiled"]),
        "noise": abs(again - 1),
    }


def calls_in_words(calls: Mapping[str, int]) -> str:
    """Operators by name.

    >>> calls_in_words({"nms": 8, "roi_align_forward": 2}), calls_in_words({})
    ('8 `nms`, 2 `roi_align_forward`', 'none')
    """
    return ", ".join(f"{count} `{name}`" for name, count in sorted(calls.items())) or "none"


def rows_of(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is kept of each detector."""
    return [
        {
            "detector": name,
            "called_in_a_step": calls_in_words(cost["step"]),
            "called_at_test": calls_in_words(cost["test"]),
            "compiled_ms": cost["compiled"],
            "stand_in_ms": cost["stand-in"],
            "ratio": cost["ratio"],
            "again": 1 + cost["noise"],
        }
        for name, cost in found.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """Run, print, keep the record; 1 if a limit is passed or there is nothing to compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21, help="rounds (21)")
    parser.add_argument("--quick", action="store_true", help="64 px, batch 2, 2 rounds, no limit")
    add_result_options(parser)
    args = parser.parse_args(argv)
    if not (COMPILED or args.quick):
        print("mmcv has no compiled operators here: WSOL_COMPILE_OPS=1 make env, or --quick")
        return 1
    torch.set_num_threads(1)
    size, side, rounds = (2, 64, 2) if args.quick else (8, 96, args.rounds)
    found: dict[str, dict[str, Any]] = {}
    for name in DETECTORS:
        cost = measure(name, size, side, rounds)
        found[name] = {**cost, **compare(cost["times"])}
    settings = {"side": side, "batch": size, "rounds": rounds, "most": LIMIT}
    settings["against"] = "mmcv's compiled operators" if COMPILED else "itself"
    command = "python -m benchmarks.operators"
    finish(measured("operators", command, settings, rows_of(found)), args.results, not args.quick)
    print(json.dumps({name: round(cost["ratio"], 3) for name, cost in found.items()}))
    passed = all(cost["ratio"] <= LIMIT for cost in found.values())
    return 0 if passed or args.quick else 1


if __name__ == "__main__":
    sys.exit(main())
