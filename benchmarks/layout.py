"""Training step and test of a depthwise network on a CPU, as built and as the tools lay it out.

Equal CAMs of EfficientNet-Lite0 take turns: channels first, channels last (``lay_out_for_cpu``),
and with depthwise layers and batch norms whose gradients are our own besides
(``lay_out_for_cpu_training``), the last once more where freed memory stays with the process
(``keep_freed_memory``), as ``tools/train.py`` has it; once with the last stage's stride left out,
once with those of the last two. Their losses are compared before they are timed.

    python -m benchmarks.layout            # about four minutes; writes benchmarks/results
    python -m benchmarks.layout --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.cost import NETWORKS, batch
from benchmarks.measure import Call, Subject, ratio, take_turns, where_measured
from benchmarks.record import ROOT, add_result_options, finish, measured

LAYOUTS = ("as built", "channels last", "channels last, own gradients", "as the tools train")
OWN_LIMITS = (32 << 20, 64 << 20)  # where glibc's end up when a process frees large blocks
LEAST = 1.8  # by how much the last one's step is faster than the first one's


def subjects(stride: int, side: int, images: int) -> dict[str, Subject]:
    """The networks, equal but for their layout."""
    from mmengine.config import Config

    from wsol_mm.models.cpu_layout import lay_out_for_cpu, lay_out_for_cpu_training

    network = replace(NETWORKS["efficientnet_lite0"], side=side, batch=images)
    found = {}
    ways = (lambda _: False, lay_out_for_cpu, lay_out_for_cpu_training, lay_out_for_cpu_training)
    for name, lay_out in zip(LAYOUTS, ways, strict=True):
        cfg = Config.fromfile(ROOT / f"configs/cam/{network.name}.py")
        cfg.model.backbone.output_stride = stride
        found[name] = Subject(cfg, partial(batch, network, 200), "cpu", lay_out)
    return found


def with_memory(name: str, call: Call) -> Call:
    """The call where the last layout keeps freed memory and the others have glibc's own limits."""
    from wsol_mm.engine.freed_memory import keep_freed_memory

    limits = () if name == LAYOUTS[-1] else OWN_LIMITS

    def both() -> None:
        if not keep_freed_memory(*limits):
            raise RuntimeError("benchmarks.layout: needs glibc, MALLOC_* and GLIBC_TUNABLES unset")
        call()

    return both


def losses(subject: Subject) -> float:
    """The loss of the batch, in training mode."""
    data = subject.model.data_preprocessor(subject.batch(), training=True)
    return float(subject.model.train()(**data, mode="loss")["loss"].detach())


def compare(stride: int, side: int, images: int, rounds: int) -> tuple[list[dict], float]:
    """A row of each layout, and by how much their losses differ."""
    built = subjects(stride, side, images)
    found = [losses(subject) for subject in built.values()]
    times: dict[str, dict[str, list[float]]] = {name: {} for name in built}
    for what in ("train", "test"):
        calls = {name: with_memory(name, getattr(subject, what)) for name, subject in built.items()}
        for call in calls.values():
            call()
        for name, these in take_turns(calls, rounds, "cpu").items():
            times[name][what] = these
    first = times[LAYOUTS[0]]
    rows = [
        {
            "layout": name,
            "stride": stride,
            "side": side,
            **{f"{what}_ms": statistics.median(of) / images for what, of in mine.items()},
            **{f"{what}_faster": ratio(first[what], of) for what, of in mine.items()},
        }
        for name, mine in times.items()
    ]
    return rows, max(found) - min(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, keep the record; 1 if losses differ or the gain is too small."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small images, two rounds, no limit")
    add_result_options(parser)
    args = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    sizes = [(16, 64)] if args.quick else [(16, 224), (8, 128)]
    images, rounds = (2, 2) if args.quick else (16, 5)
    rows, difference = [], 0.0
    for stride, side in sizes:
        found, apart = compare(stride, side, images, rounds)
        rows, difference = rows + found, max(difference, apart)
    settings = {"network": "EfficientNet-Lite0", "batch": images, "rounds": rounds, "least": LEAST}
    settings |= {"where": where_measured("cpu"), "difference": difference}
    gains = [row["train_faster"] for row in rows if row["layout"] == LAYOUTS[-1]]
    passed = difference < 1e-3 and (args.quick or min(gains) >= LEAST)
    record = measured("layout", "python -m benchmarks.layout", settings, rows)
    finish(record, args.results if passed else None, full=passed and not args.quick)
    print(json.dumps({"train_faster": round(min(gains), 2), "difference": difference}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
