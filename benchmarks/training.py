"""Images per second in training: EfficientNet-Lite0 on birds, in full and in mixed precision.

    python -m benchmarks.training            # writes benchmarks/results, a record for each device
    python -m benchmarks.training --quick    # smoke run, writes nothing

A step is forward, backward and optimizer on one batch of 16 images of 224 px that is there already;
models take turns. Mixed precision is measured on a GPU alone. The last line is one json object.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Subject, take_turns
from benchmarks.record import add_result_options, finish, measured
from wsol_mm.apis.command import one_line_errors, strip_pretrained

ROOT = Path(__file__).resolve().parents[1]
METHODS = {"CAM": "cam", "BridgeGap": "bridgegap", "CI-CAM": "ci_cam"}
BATCH, SIDE = 16, 224


def batch(count: int, side: int) -> dict[str, Any]:
    """What the data loader gives."""
    import torch
    from mmpretrain.structures import DataSample

    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, side, side)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    samples = [DataSample().set_gt_label(index % 6) for index in range(count)]
    return {"inputs": list(images), "data_samples": samples}


def subject(method: str, mixed: bool, count: int, side: int, device: str) -> Subject:
    """A method's model with its optimizer."""
    from mmengine.config import Config

    import wsol_mm.registry  # noqa: F401 - `wsol_mm.` types of the configs

    cfg = Config.fromfile(ROOT / f"configs/{METHODS[method]}/efficientnet_lite0_cub.py")
    strip_pretrained(cfg.model)
    if mixed:
        cfg.optim_wrapper.merge({"type": "AmpOptimWrapper", "loss_scale": "dynamic"})
    return Subject(cfg, partial(batch, count, side), device)


def measure(device: str, rounds: int, count: int, side: int) -> dict[str, float]:
    """Images per second of every method, and of its mixed precision on a GPU."""
    subjects = {
        name + (", mixed precision" if mixed else ""): subject(name, mixed, count, side, device)
        for name in METHODS
        for mixed in ((False, True) if device != "cpu" else (False,))
    }
    calls = {name: each.train for name, each in subjects.items()}
    for call in calls.values():
        call()
        call()
    times = take_turns(calls, rounds, device)
    return {name: 1e3 * count / statistics.median(found) for name, found in times.items()}


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Measure, print, keep the record of this device; the images per second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two small steps, no record")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each model")
    add_result_options(parser)
    args = parser.parse_args(argv)
    from mmengine.device import get_device

    device = get_device()
    rounds, count, side = (1, 2, 64) if args.quick else (args.rounds, BATCH, SIDE)
    found = measure(device, rounds, count, side)
    settings = {"network": "EfficientNet-Lite0", "batch": count, "side": side, "rounds": rounds}
    settings |= {"where": "CPU time on one thread" if device == "cpu" else "wall time"}
    rows = [{"method": name, "images_per_second": value} for name, value in found.items()]
    record = measured(f"training_{device}", "python -m benchmarks.training", settings, rows)
    finish(record, args.results, full=not args.quick)
    print(json.dumps({"device": device, "images_per_second": found}))
    return found


if __name__ == "__main__":
    with one_line_errors():
        main()
