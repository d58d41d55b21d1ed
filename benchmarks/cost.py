"""Cost of each method relative to a plain classifier: time, memory and multiply-adds, in one run.

All models of a network are built first and take turns (A, B, C, ..., A, B, C, ...), so that a slow
minute of the machine hits all of them; the learning rate is 0, so that every step does the same
work. A row fails where its training step takes longer than its limit times its baseline's:
a number, or, for ``macs``, the ratio of the multiply-adds and 25 %. The table carries the noise
floor, by which the second of two equal models differed, and each limit is widened by it.

    python benchmarks/cost.py                    # ResNet-18 of the toy scenes; docs/benchmarks.md
    python benchmarks/cost.py --network vgg16    # full size, a small batch
    python benchmarks/cost.py --quick --rows CAM ADL    # smoke run, writes nothing

On a CPU, times are those of the process on one thread, which other work does not lengthen; on a
GPU they are wall time. Memory is what the model and the optimizer hold between steps, plus the most
that torch's allocator gave out at any moment within one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from wsol_mm.apis.report import machine, write_block

ROOT = Path(__file__).resolve().parents[1]
CONFIGS, DOCS = ROOT / "configs", ROOT / "docs" / "benchmarks.md"
MARGIN = 1.25  # by how much a time ratio may pass that of the multiply-adds
SIDES = ("train", "test", "data")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        config: Config below ``configs/``; ``{network}`` stands for the network's name.
        baseline: Row that it is compared with.
        limit: Largest ratio of training time; ``macs`` for that of the multiply-adds times
            ``MARGIN``, None for none.
        networks: Networks that the method has a config for.
    """

    config: str
    baseline: str = "CAM"
    limit: float | str | None = "macs"
    networks: tuple[str, ...] = ("resnet18", "vgg16", "resnet50")


@dataclass(frozen=True)
class Network:
    """One block of the document: the config's name, image side, batch size and repeats."""

    name: str
    side: int
    batch: int
    repeats: int


NETWORKS = {
    "resnet18": Network("resnet18_toy", 96, 16, 21),
    "vgg16": Network("vgg16_cub", 224, 2, 5),
    "resnet50": Network("resnet50_cub", 224, 2, 5),
}
ROWS = {
    "CAM": Row("cam/{network}.py", limit=None),
    "HaS": Row("has/{network}.py"),
    "ACoL": Row("acol/{network}.py"),
    "SPG": Row("spg/{network}.py"),
    "ADL": Row("adl/{network}.py"),
    "CutMix": Row("cutmix/{network}.py"),
    "BridgeGap": Row("bridgegap/{network}.py"),
    "EIL": Row("eil/{network}.py", networks=("resnet18", "vgg16")),
}
TWIN = "CAM again"  # equal to the first row: its ratio is the noise floor


class Subject:
    """A model with its optimizer and synthetic data, on which everything is measured."""

    def __init__(self, path: Path, network: Network, image: str, device: str) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"config {path} does not exist: write it or remove its row")
        cfg = Config.fromfile(path)
        cfg.optim_wrapper.optimizer.lr = 0.0
        self.device, self.network, self.image = device, network, image
        model = cfg.model
        if "data_preprocessor" in cfg:
            model.setdefault("data_preprocessor", cfg.data_preprocessor)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            torch.manual_seed(0)
            self.model = MODELS.build(model).to(device)
            self.optimizer = build_optim_wrapper(self.model, cfg.optim_wrapper)
            self.pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
        self.classes = cfg.data_preprocessor.num_classes

    def batch(self) -> dict[str, Any]:
        """Random images and labels, the same ones each time."""
        random = torch.Generator().manual_seed(0)
        shape = (self.network.batch, 3, self.network.side, self.network.side)
        images = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
        labels = torch.randint(0, self.classes, shape[:1], generator=random)
        return {
            "inputs": images,
            "data_samples": [DataSample().set_gt_label(int(label)) for label in labels],
        }

    def train(self) -> None:
        """One training step: forward, backward, optimizer."""
        self.model.train()
        self.model.train_step(self.batch(), self.optimizer)

    def test(self) -> None:
        """One batch at test."""
        self.model.eval()
        with torch.no_grad():
            self.model.test_step(self.batch())

    def data(self) -> None:
        """A batch of images, one by one, through the training pipeline."""
        for _ in range(self.network.batch):
            self.pipeline({"img_path": self.image, "gt_label": 0})

    def held(self) -> int:
        """Bytes of parameters, buffers and the optimizer's state."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        for state in self.optimizer.optimizer.state.values():
            tensors += [value for value in state.values() if torch.is_tensor(value)]
        return sum(tensor.nbytes for tensor in tensors)

    def memory(self, call: Callable[[], None]) -> int:
        """Bytes held, plus the peak of what one call allocates beyond that."""
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            call()
            return self.held() + torch.cuda.max_memory_allocated() - before
        with profile(
            activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True
        ) as seen:
            call()
        events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
        total = peak = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            total += event.nbytes()
            peak = max(peak, total)
        return self.held() + peak

    def macs(self) -> int:
        """Multiply-adds of convolutions and matrix products in a training step."""
        torch.manual_seed(0)
        with FlopCounterMode(display=False) as counter:
            self.train()
        return counter.get_total_flops() // 2


def clock(call: Callable[[], None], device: str) -> float:
    """Milliseconds of one call: of the process on a CPU, of the wall clock on a GPU."""
    if device == "cpu":
        start = time.process_time()
        call()
        return (time.process_time() - start) * 1e3
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def photo(network: Network, folder: Path) -> str:
    """A random image file, for the data pipelines."""
    pixels = np.random.default_rng(0).integers(0, 256, (network.side, network.side, 3), np.uint8)
    path = folder / "image.jpg"
    cv2.imwrite(str(path), pixels)
    return str(path)


def measure(subjects: dict[str, Subject], repeats: int, device: str) -> dict[str, dict[str, Any]]:
    """Times of every round, memory and multiply-adds of every subject.

    Returns:
        Row name to ``train``, ``test`` (per image), ``data`` (per image): milliseconds of each
        round; ``train_memory``, ``test_memory``: bytes; ``macs``.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, subject in subjects.items():  # warms up, too
        found[name] = {"macs": subject.macs(), "train": [], "test": [], "data": []}
        for side in ("train", "test"):
            call = getattr(subject, side)
            call()
            found[name][f"{side}_memory"] = subject.memory(call)
        subject.data()
    for _ in range(repeats):
        for side in SIDES:
            for name, subject in subjects.items():
                call = getattr(subject, side)
                if side != "train":  # short: the first call after another model is slower
                    call()
                images = 1 if side == "train" else subject.network.batch
                found[name][side].append(clock(call, device) / images)
    return found


def compare(rows: dict[str, Row], found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Medians, ratios to the baseline and limits.

    A time ratio is the median over the rounds of the ratio within a round, which a drift of the
    machine's speed leaves alone.

    >>> rows = {"CAM": Row("", limit=None), "A": Row(""), TWIN: Row("", limit=None)}
    >>> cost = {"macs": 10, "train_memory": 1, "test_memory": 1, "test": [1.0], "data": [1.0]}
    >>> found = {"CAM": {**cost, "train": [1.0, 2.0]}, "A": {**cost, "train": [3.0, 6.0]},
    ...          TWIN: {**cost, "train": [1.1, 2.2]}}
    >>> result = compare(rows, found)["A"]
    >>> result["ratio_train"], round(result["limit"], 3), result["passed"]
    (3.0, 1.35, False)
    """

    def ratio(name: str, base: str, key: str) -> float:
        mine, theirs = found[name][key], found[base][key]
        if isinstance(mine, list):
            return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        return mine / theirs

    noise = abs(ratio(TWIN, "CAM", "train") - 1)
    results: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        result = {side: statistics.median(found[name][side]) for side in SIDES}
        keys = (*SIDES, "train_memory", "test_memory", "macs")
        result |= {f"ratio_{key}": ratio(name, row.baseline, key) for key in keys}
        result |= {key: found[name][key] for key in keys[3:]}
        limit = MARGIN * result["ratio_macs"] if row.limit == "macs" else row.limit
        result["limit"] = None if limit is None else limit + noise
        result["passed"] = limit is None or result["ratio_train"] <= limit + noise
        results[name] = result
    return results


def table(
    rows: dict[str, Row],
    results: dict[str, dict[str, Any]],
    network: Network,
    repeats: int,
    device: str,
) -> str:
    """The block for the document."""
    key = next(key for key, value in NETWORKS.items() if value.name == network.name)
    lines = [
        "| method | train step, ms | ratio | multiply-adds, G | ratio | limit of the time ratio |"
        " train memory, MiB | ratio | test, ms per image | ratio | test memory, MiB | ratio |"
        " data, ms per image | ratio |",
        "|" + "---|" * 14,
    ]
    for name, r in results.items():
        baseline = rows[name].baseline
        mark = "" if r["passed"] else " (exceeded)"
        limit = "none" if r["limit"] is None else f"{r['limit']:.2f}{mark}"
        lines.append(
            f"| {name}{'' if baseline == 'CAM' else f' (to {baseline})'} "
            f"| {r['train']:.1f} | {r['ratio_train']:.2f} "
            f"| {r['macs'] / 1e9:.2f} | {r['ratio_macs']:.2f} | {limit} "
            f"| {r['train_memory'] / 2**20:.1f} | {r['ratio_train_memory']:.2f} "
            f"| {r['test']:.2f} | {r['ratio_test']:.2f} "
            f"| {r['test_memory'] / 2**20:.1f} | {r['ratio_test_memory']:.2f} "
            f"| {r['data']:.2f} | {r['ratio_data']:.2f} |"
        )
    noise = abs(results[TWIN]["ratio_train"] - 1)
    where = "CPU time on one thread" if device == "cpu" else f"{torch.cuda.get_device_name()}"
    facts = "; ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join(
        [
            f"## Cost relative to CAM: {key}",
            "",
            f"`{network.name}` configs, {network.side} px, batch {network.batch}, {where}; medians "
            f"of {repeats} rounds",
            f"in which the models take turns (`python benchmarks/cost.py --network {key}`).",
            "Ratios are to CAM unless a row says otherwise. Equal models differ, too: the noise "
            f"floor, `{TWIN}`",
            f"to CAM, is {100 * noise:.1f} % of a training step and is added to each limit. "
            "Multiply-adds are those of",
            "convolutions and matrix products, forward and backward. Memory is what model and "
            "optimizer hold, plus",
            "the peak of what a step allocates.",
            "",
            *lines,
            "",
            f"Machine: {facts}.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run, print, write the document; 1 if a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="only these, CAM is always there")
    parser.add_argument("--repeats", type=int, help="rounds (the network's)")
    parser.add_argument("--quick", action="store_true", help="batch 2, 2 rounds, no limits")
    parser.add_argument("--docs", type=Path, help="document to write (not with --quick: docs/)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network, device = NETWORKS[args.network], get_device()
    if args.quick:
        network = Network(network.name, network.side, 2, 2)
    repeats = args.repeats or network.repeats
    rows = {name: row for name, row in ROWS.items() if args.network in row.networks}
    if args.rows:
        wanted = {"CAM", *args.rows} | {rows[name].baseline for name in args.rows}
        rows = {name: row for name, row in rows.items() if name in wanted}
    rows[TWIN] = rows["CAM"]
    with tempfile.TemporaryDirectory() as folder:
        image = photo(network, Path(folder))
        subjects = {
            name: Subject(CONFIGS / row.config.format(network=network.name), network, image, device)
            for name, row in rows.items()
        }
        found = measure(subjects, repeats, device)
    results = compare(rows, found)
    text = table(rows, results, network, repeats, device)
    print(text)
    docs = args.docs or (None if args.quick or args.rows else DOCS)
    if docs:
        write_block(docs, f"cost_{args.network}", text)
    print(json.dumps({name: round(result["ratio_train"], 3) for name, result in results.items()}))
    return 0 if args.quick or all(result["passed"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
