"""Images per second in training: EfficientNet-Lite0 on birds, in full and in mixed precision.

    python -m benchmarks.training            # writes benchmarks/results, a record for each device
    python -m benchmarks.training --quick    # smoke run, writes nothing

A step is forward, backward and optimizer on one batch of 16 images of 224 px that is there already;
models take turns, and the time is that of the wall clock. Mixed precision is measured on a GPU
alone. The last line is one json object.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Subject, random_images, take_turns
from benchmarks.record import add_result_options, finish, measured
from wsol_mm.apis.command import one_line_errors, strip_pretrained

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
METHODS = {  # what the bench of photographs calls its head rows, as far as they train
    "CAM": "cam/efficientnet_lite0_cub.py",
    "ADL": "adl/efficientnet_lite0_cub.py",
    "BridgeGap": "bridgegap/efficientnet_lite0_cub.py",
    "CI-CAM": "ci_cam/efficientnet_lite0_cub.py",
    "KG-CI-CAM": "kg_ci_cam/efficientnet_lite0_cub.py",
    "Faster R-CNN with WE": "wend/faster_rcnn_lite0_cub.py",
}
BATCH, SIDE = 16, 224


def batch(count: int, side: int) -> dict[str, Any]:
    """What the data loader gives a classifier."""
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(index % 6) for index in range(count)]
    return {"inputs": list(random_images(count, side)), "data_samples": samples}


def subject(method: str, mixed: bool, count: int, side: int, device: str) -> Subject:
    """A method's model with its optimizer."""
    from mmengine.config import Config

    import wsol_mm.registry  # noqa: F401 - `wsol_mm.` types of the configs
    from benchmarks.target_assignment import batch as boxed

    cfg = Config.fromfile(CONFIGS / METHODS[method])
    strip_pretrained(cfg.model)
    if mixed:
        cfg.optim_wrapper.merge({"type": "AmpOptimWrapper", "loss_scale": "dynamic"})
    make = boxed if cfg.default_scope == "mmdet" else batch
    return Subject(cfg, partial(make, count, side), device)


def measure(device: str, rounds: int, count: int, side: int) -> list[dict[str, Any]]:
    """Images per second of every method, ``mixed`` is that of mixed precision on a GPU."""
    kinds = {"images_per_second": False}
    if device != "cpu":
        kinds["mixed"] = True
    subjects = {
        (name, kind): subject(name, mixed, count, side, device)
        for name in METHODS
        for kind, mixed in kinds.items()
    }
    calls = {f"{name}|{kind}": each.train for (name, kind), each in subjects.items()}
    for call in calls.values():
        call()
        call()
    times = take_turns(calls, rounds, device, wall=True)
    speeds = {key: 1e3 * count / statistics.median(found) for key, found in times.items()}
    return [
        {"method": name, **{kind: speeds[f"{name}|{kind}"] for kind in kinds}} for name in METHODS
    ]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print, keep the record of this device; a row for each method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two small steps, no record")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each model")
    add_result_options(parser)
    args = parser.parse_args(argv)
    import torch
    from mmengine.device import get_device

    device = get_device()
    rounds, count, side = (1, 2, 64) if args.quick else (args.rounds, BATCH, SIDE)
    rows = measure(device, rounds, count, side)
    where = "GPU" if device != "cpu" else f"{torch.get_num_threads()} CPU threads"
    settings = {"network": "EfficientNet-Lite0", "batch": count, "side": side, "rounds": rounds}
    settings |= {"where": where}
    record = measured(f"training_{device}", "python -m benchmarks.training", settings, rows)
    finish(record, args.results, full=not args.quick)
    print(json.dumps({"device": device, "rows": rows}))
    return rows


if __name__ == "__main__":
    with one_line_errors():
        main()
