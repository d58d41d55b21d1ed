"""Cost of each method relative to a plain classifier: time, memory and multiply-adds, in one run.

All models of a network are built first and take turns (A, B, C, ..., then B, C, ..., A), so that a
slow minute of the machine hits all of them; the learning rate is 0, so that every step does the
same work. Ratios are to CAM. A row fails where its step takes longer than its limit times the steps
that it is held against. The table carries the noise floor, by which the second of two equal models
differed, and each limit is widened by it.

    python -m benchmarks.cost                    # ResNet-18 of the toy scenes; benchmarks/results
    python -m benchmarks.cost --network vgg16    # full size, a small batch
    python -m benchmarks.cost --quick --rows CAM ADL    # smoke run, writes nothing

Memory is what the model and the optimizer hold between steps, plus the most that torch's allocator
gave out at any moment within one. A method is a row of ``ROWS``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Call, Subject, multiply_adds, ratio, take_turns, where_measured
from benchmarks.record import add_result_options, finish, measured

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
SIDES = ("train", "test", "data")
MARGIN = 1.25  # by how much a step may exceed what its passes or its multiply-adds explain


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        config: Config below ``configs/``; ``{network}`` stands for the network's name, ``{plain}``
            for that of its CAM.
        limit: Largest ratio of the step's time to that of ``of``; ``macs`` for ``MARGIN`` times
            the ratio of the multiply-adds, None for none.
        limit_test: The same of the time at test.
        of: Rows whose steps, made one after the other, the step is held against.
        options: Keys of the config with another value; None takes a key away.
        step: What counts as its step, a name in ``STEPS``. Test and data are measured for
            ``train`` only.
        networks: Networks that the method has a config for.
    """

    config: str
    limit: float | str | None = "macs"
    limit_test: float | None = None
    of: tuple[str, ...] = ("CAM",)
    options: Mapping[str, Any] = field(default_factory=dict)
    step: str = "train"
    networks: tuple[str, ...] = ("resnet18", "vgg16", "resnet50", "efficientnet_lite0")


@dataclass(frozen=True)
class Network:
    """One block of the document.

    Attributes:
        name: Stem of the methods' configs.
        side: Of the images, in pixels.
        batch: Images in a step.
        repeats: Rounds.
        plain: Stem of CAM's config, where it has another name.
    """

    name: str
    side: int
    batch: int
    repeats: int
    plain: str | None = None


NETWORKS = {
    "resnet18": Network("resnet18_toy", 96, 16, 21),
    "vgg16": Network("vgg16_cub", 224, 2, 5),
    "resnet50": Network("resnet50_cub", 224, 2, 5),
    "inception_v3": Network("inception_v3_cub", 299, 2, 5, plain="inception_v3_299_cub"),
    "efficientnet_lite0": Network("efficientnet_lite0_cub", 224, 4, 7),
}
ALL = tuple(NETWORKS)
CAUSAL, NON_LOCAL, FORWARD = "CI-CAM", "non-local CAM", "teacher, no gradient"
ROWS = {
    "CAM": Row("cam/{plain}.py", limit=None, networks=ALL),
    "HaS": Row("has/{network}.py"),
    "ACoL": Row("acol/{network}.py"),
    "SPG": Row("spg/{network}.py"),
    "ADL": Row("adl/{network}.py"),
    "CutMix": Row("cutmix/{network}.py"),
    "BridgeGap": Row("bridgegap/{network}.py"),
    "EIL": Row("eil/{network}.py", networks=("resnet18", "vgg16", "efficientnet_lite0")),
    NON_LOCAL: Row(
        "nl_ccam/{network}.py",
        limit=None,
        options={"model.head.type": "wsol_mm.CAMHead", "model.head.combination": None},
        networks=ALL,
    ),
    "NL-CCAM": Row("nl_ccam/{network}.py", 1.15, 1.15, of=(NON_LOCAL,), networks=ALL),
    CAUSAL: Row("ci_cam/{network}.py", 1.15, 1.15, of=(NON_LOCAL,), networks=ALL),
    # one masked pass, and two
    "classification expert": Row(
        "kg_ci_cam/{network}_cls_expert.py", limit=MARGIN, of=(CAUSAL,) * 2, networks=ALL
    ),
    "localization expert": Row(
        "kg_ci_cam/{network}_loc_expert.py", limit=MARGIN, of=(CAUSAL,) * 3, networks=ALL
    ),
    "KG-CI-CAM": Row(
        "kg_ci_cam/{network}.py", limit=MARGIN, of=(CAUSAL, FORWARD, FORWARD), networks=ALL
    ),
    FORWARD: Row("ci_cam/{network}.py", limit=None, step="forward", networks=ALL),
    "combination and pool": Row(
        "ci_cam/{network}.py", 0.03, of=(FORWARD,), step="pool_and_combination", networks=ALL
    ),
}
TWIN = "CAM again"  # equal to the first row: its ratio is the noise floor


def configuration(row: Row, network: Network) -> Config:
    """The row's config with its options.

    Raises:
        FileNotFoundError: There is no such config.
    """
    from mmengine.config import Config

    path = CONFIGS / row.config.format(network=network.name, plain=network.plain or network.name)
    if not path.is_file():
        raise FileNotFoundError(f"config {path} does not exist: write it or remove its row")
    cfg = Config.fromfile(path)
    for key, value in row.options.items():
        *parents, last = key.split(".")
        node = cfg
        for parent in parents:
            node = node[parent]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return cfg


def batch(network: Network, classes: int) -> dict[str, Any]:
    """Random images and labels, the same ones each time."""
    import torch
    from mmpretrain.structures import DataSample

    random = torch.Generator().manual_seed(0)
    shape = (network.batch, 3, network.side, network.side)
    images = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
    labels = torch.randint(0, classes, shape[:1], generator=random)
    return {
        "inputs": images,
        "data_samples": [DataSample().set_gt_label(int(label)) for label in labels],
    }


def forward(subject: Subject) -> Call:
    """A pass without gradient up to the logits, as teachers make it."""
    import torch

    model = subject.model.eval()
    inputs = model.data_preprocessor(subject.batch())["inputs"]
    return torch.no_grad()(lambda: model(inputs))


def pool_and_combination(subject: Subject) -> Call:
    """What CI-CAM does with the features of a batch beyond classifying them.

    The pool enhances them and is updated, the second branch classifies, its maps are combined.
    """
    import torch

    model = subject.model.eval()
    head = model.head
    with torch.no_grad():
        inputs = model.data_preprocessor(subject.batch())["inputs"]
        features, scores = head.first_branch(model.extract_feat(inputs))
    labels = scores.argmax(dim=1)  # all correct: every map enters the pool

    @torch.no_grad()
    def call() -> None:
        enhanced = head.context_pool(features, scores)
        head.update_pool(features, scores, labels)
        head.combined_maps(enhanced, head.class_scores(enhanced))

    return call


STEPS: dict[str, Callable[[Subject], Call]] = {
    "train": lambda subject: subject.train,
    "forward": forward,
    "pool_and_combination": pool_and_combination,
}


def photo(network: Network, folder: Path) -> str:
    """A random image file, for the data pipelines."""
    import cv2
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 256, (network.side, network.side, 3), np.uint8)
    path = folder / "image.jpg"
    cv2.imwrite(str(path), pixels)
    return str(path)


def sides(row: Row, network: Network, image: str, device: str) -> tuple[Subject, dict[str, Call]]:
    """A row's subject and what is timed of it: ``train``, ``test`` and ``data``, as they apply."""
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    cfg = configuration(row, network)
    subject = Subject(cfg, partial(batch, network, cfg.data_preprocessor.num_classes), device)
    calls = {"train": STEPS[row.step](subject)}
    if row.step == "train":
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
        calls["test"] = subject.test
        calls["data"] = lambda: [
            pipeline({"img_path": image, "gt_label": 0}) for _ in range(network.batch)
        ]
    return subject, calls


def measure(
    rows: Mapping[str, Row], network: Network, repeats: int, device: str
) -> dict[str, dict[str, Any]]:
    """Times of every round, memory and multiply-adds of every row.

    Returns:
        Row name to ``train``, ``test`` (per image), ``data`` (per image): milliseconds of each
        round; ``train_memory``, ``test_memory``: bytes; ``macs`` of the step.
    """
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        image = photo(network, Path(folder))
        subjects = {name: sides(row, network, image, device) for name, row in rows.items()}
        for name, (subject, calls) in subjects.items():  # warms up, too
            found[name] = {"macs": multiply_adds(calls["train"])}
            for side, call in calls.items():
                call()
                if side != "data":
                    found[name][f"{side}_memory"] = subject.memory(call)
        for side in SIDES:
            these = {name: calls[side] for name, (_, calls) in subjects.items() if side in calls}
            images = 1 if side == "train" else network.batch
            short = [name for name in these if side != "train" or rows[name].step != "train"]
            for name, times in take_turns(these, repeats, device, warm=short).items():
                found[name][side] = [time / images for time in times]
    return found


def together(found: Mapping[str, Mapping[str, Any]], names: Sequence[str], key: str) -> Any:
    """What several rows cost one after the other: numbers added, rounds added one by one.

    >>> together({"A": {"train": [1.0, 2.0]}, "B": {"train": [10.0, 20.0]}}, ("A", "B"), "train")
    [11.0, 22.0]
    """
    values = [found[name][key] for name in names]
    if isinstance(values[0], list):
        return [sum(each) for each in zip(*values, strict=True)]
    return sum(values)


def compare(
    rows: Mapping[str, Row], found: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Medians, ratios to CAM, and the times held against the row's limits.

    >>> rows = {"CAM": Row("", limit=None), "A": Row(""), TWIN: Row("", limit=None)}
    >>> cost = {"macs": 10, "train_memory": 1}
    >>> found = {"CAM": {**cost, "train": [1.0, 2.0]}, "A": {**cost, "train": [3.0, 6.0]},
    ...          TWIN: {**cost, "train": [1.1, 2.2]}}
    >>> result = compare(rows, found)["A"]
    >>> result["ratio_train"], result["of_train"], round(result["limit_train"], 3)
    (3.0, 3.0, 1.375)
    >>> result["passed_train"]
    False
    """
    results: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        result: dict[str, Any] = {}
        for key, mine in found[name].items():
            base, timed = found["CAM"][key], isinstance(mine, list)
            result[key] = statistics.median(mine) if timed else mine
            result[f"ratio_{key}"] = ratio(mine, base) if timed else mine / base
        limit = row.limit
        if limit == "macs":
            limit = MARGIN * found[name]["macs"] / together(found, row.of, "macs")
        for side, share in (("train", limit), ("test", row.limit_test)):
            if share is not None:
                noise = abs(ratio(found[TWIN][side], found["CAM"][side]) - 1)
                of = ratio(found[name][side], together(found, row.of, side))
                result[f"of_{side}"], result[f"limit_{side}"] = of, share * (1 + noise)
                result[f"passed_{side}"] = of <= share * (1 + noise)
        results[name] = result
    return results


def held_against(row: Row) -> str:
    """The rows of a limit in words.

    >>> held_against(Row("", of=("A", "B", "B")))
    'A + 2 B'
    """
    counts = {name: row.of.count(name) for name in row.of}
    return " + ".join(f"{count} {name}" if count > 1 else name for name, count in counts.items())


def rows_of(
    rows: Mapping[str, Row], results: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What is kept of each method: numbers, ratios to CAM, what it is held against."""
    found = []
    for name, r in results.items():
        limited = "of_train" in r
        line = {
            "method": name,
            "train_ms": r["train"],
            "ratio_train": r["ratio_train"],
            "multiply_adds_g": r["macs"] / 1e9,
            "ratio_multiply_adds": r["ratio_macs"],
            "train_memory_mib": r["train_memory"] / 2**20,
            "ratio_train_memory": r["ratio_train_memory"],
            "held_against": held_against(rows[name]) if limited else None,
            "of_train": r.get("of_train"),
            "limit_train": r.get("limit_train"),
        }
        if "test" in r:
            line |= {
                "test_ms": r["test"],
                "ratio_test": r["ratio_test"],
                "test_memory_mib": r["test_memory"] / 2**20,
                "ratio_test_memory": r["ratio_test_memory"],
                "of_test": r.get("of_test"),
                "limit_test": r.get("limit_test"),
                "data_ms": r["data"],
                "ratio_data": r["ratio_data"],
            }
        found.append(line)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run, print, keep the record; 1 if a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, help="only these, CAM and what they are held against"
    )
    parser.add_argument("--repeats", type=int, help="rounds (the network's)")
    parser.add_argument("--quick", action="store_true", help="batch 2, 2 rounds, no limits")
    add_result_options(parser)
    args = parser.parse_args(argv)
    import cv2
    import torch
    from mmengine.device import get_device

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network, device = NETWORKS[args.network], get_device()
    if args.quick:
        network = replace(network, batch=2, repeats=2)
    repeats = args.repeats or network.repeats
    rows = {name: row for name, row in ROWS.items() if args.network in row.networks}
    if args.rows:
        rows = {name: row for name, row in rows.items() if name in with_bases(args.rows)}
    rows[TWIN] = rows["CAM"]
    results = compare(rows, measure(rows, network, repeats, device))
    settings = {
        "network": args.network,
        "configs": network.name,
        "plain": network.plain or network.name,
        "side": network.side,
        "batch": network.batch,
        "where": where_measured(device),
        "rounds": repeats,
        **{f"noise_{side}": abs(results[TWIN][f"ratio_{side}"] - 1) for side in ("train", "test")},
    }
    name = f"cost_{args.network}" + ("" if device == "cpu" else f"_{device}")
    command = f"python -m benchmarks.cost --network {args.network}"
    record = measured(name, command, settings, rows_of(rows, results))
    finish(record, args.results, full=not (args.quick or args.rows))
    line = {name: round(result["ratio_train"], 3) for name, result in results.items()}
    line |= {
        f"{name} / {held_against(row)}{words}": round(results[name][side], 4)
        for name, row in rows.items()
        for side, words in (("of_train", ""), ("of_test", ", test"))
        if row.of != ("CAM",) and side in results[name]
    }
    print(json.dumps(line))
    passed = all(
        result.get(f"passed_{side}", True) for result in results.values() for side in SIDES
    )
    return 0 if args.quick or passed else 1


def with_bases(names: Sequence[str]) -> set[str]:
    """The rows, those that they are held against, those that these are held against, and CAM."""
    wanted: set[str] = {"CAM"}
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += ROWS[name].of
    return wanted


if __name__ == "__main__":
    sys.exit(main())
