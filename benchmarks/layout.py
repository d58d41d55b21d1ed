"""Training step and test of a depthwise network on a CPU, as built and as the tools lay it out.

Three equal CAMs of EfficientNet-Lite0 take turns: channels first, channels last
(``lay_out_for_cpu``), and with dilated layers on interleaved grids besides
(``lay_out_for_cpu_training``). Their losses are compared before they are timed.

    python -m benchmarks.layout            # about two minutes; writes benchmarks/results
    python -m benchmarks.layout --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.cost import NETWORKS, batch
from benchmarks.measure import Subject, ratio, take_turns, where_measured
from benchmarks.record import ROOT, add_result_options, finish, measured

LAYOUTS = ("as built", "channels last", "channels last, interleaved grids")
LEAST = 1.3  # by how much the last one's step is faster than the first one's


def subjects(side: int, images: int) -> dict[str, Subject]:
    """The three networks, equal but for their layout."""
    from mmengine.config import Config

    from wsol_mm.models.cpu_layout import lay_out_for_cpu, lay_out_for_cpu_training

    network = replace(NETWORKS["efficientnet_lite0"], side=side, batch=images)
    found = {}
    for name, lay_out in zip(
        LAYOUTS, (lambda _: False, lay_out_for_cpu, lay_out_for_cpu_training), strict=True
    ):
        cfg = Config.fromfile(ROOT / f"configs/cam/{network.name}.py")
        found[name] = Subject(cfg, partial(batch, network, 200), "cpu", lay_out)
    return found


def losses(subject: Subject) -> float:
    """The loss of the batch, in training mode."""
    data = subject.model.data_preprocessor(subject.batch(), training=True)
    return float(subject.model.train()(**data, mode="loss")["loss"].detach())


def rows_of(times: Mapping[str, Mapping[str, list[float]]], images: int) -> list[dict]:
    """What is kept of each layout."""
    return [
        {
            "layout": name,
            **{f"{side}_ms": statistics.median(found) / images for side, found in sides.items()},
            **{
                f"{side}_faster": ratio(times[LAYOUTS[0]][side], found)
                for side, found in sides.items()
            },
        }
        for name, sides in times.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, keep the record; 1 if losses differ or the gain is too small."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small images, two rounds, no limit")
    add_result_options(parser)
    args = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    side, images, rounds = (64, 2, 2) if args.quick else (224, 16, 7)
    built = subjects(side, images)
    found = [losses(subject) for subject in built.values()]
    difference = max(found) - min(found)
    times: dict[str, dict[str, list[float]]] = {name: {} for name in built}
    for what in ("train", "test"):
        calls = {name: getattr(subject, what) for name, subject in built.items()}
        for call in calls.values():
            call()
        for name, these in take_turns(calls, rounds, "cpu").items():
            times[name][what] = these
    settings = {"network": "EfficientNet-Lite0 with 14x14 maps", "side": side, "batch": images}
    settings |= {"rounds": rounds, "where": where_measured("cpu"), "difference": difference}
    rows = rows_of(times, images)
    gain = rows[-1]["train_faster"]
    passed = difference < 1e-3 and (args.quick or gain >= LEAST)
    record = measured("layout", "python -m benchmarks.layout", {**settings, "least": LEAST}, rows)
    finish(record, args.results if passed else None, full=passed and not args.quick)
    print(json.dumps({"train_faster": round(gain, 2), "difference": difference}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
