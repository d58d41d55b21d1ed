"""Speed of the refinement chain against its straightforward form, part by part.

Each part compares the results of both sides before it times them, takes the sides in turn and
reports medians. A part is one entry of ``PARTS``: a function ``quick -> Row``.

    python benchmarks/refinement.py                         # all parts; writes docs/benchmarks.md
    python benchmarks/refinement.py --only ncut196 ncut900  # some parts, writes nothing
    python benchmarks/refinement.py --quick                 # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from wsol_mm.apis.report import machine, write_block
from wsol_mm.functional.lanczos import lanczos
from wsol_mm.functional.tokencut import dense_eigenvector, second_eigenvectors, token_graphs

DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


@dataclass
class Row:
    """One part's result: both sides in milliseconds per image, and what they were.

    Attributes:
        what: The task, with its size.
        baseline: The straightforward form.
        baseline_ms: Its median.
        ours_ms: Our median.
        least: Ratio that must be met.
        same: Whether the results agreed before the timing.
        agreement: How closely, in words for the table.
        floor: What no form can do less than, in multiply-adds or bytes.
        floor_ms: How long that takes alone.
        memory: Our working memory per image, in MB.
        facts: Further numbers for the JSON line, printed under the part's name.
    """

    what: str
    baseline: str
    baseline_ms: float
    ours_ms: float
    least: float
    same: bool
    agreement: str
    floor: str
    floor_ms: float
    memory: float
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.baseline_ms / self.ours_ms


def in_turn(
    calls: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.thread_time,
) -> dict[str, float]:
    """Median milliseconds of each call, sides taken in turn.

    Args:
        calls: Name -> call. Everything is warmed up by one call each.
        rounds: How often each is timed.
        clock: ``time.thread_time`` for one thread, which other work on the machine does not
            distort; ``time.perf_counter`` for anything with several threads or processes.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append((clock() - start) * 1e3)
    return {name: float(np.median(values)) for name, values in times.items()}


def object_tokens(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Tokens (side * side, 384) of one to four elliptic objects on a ground, with noise.

    Centres are random directions that share a common part; the noise is as long as 2 to 4 centres,
    so that the graph has wrong edges on both sides of the threshold.
    """
    ys, xs = np.mgrid[:side, :side] / side
    regions = np.zeros((side, side), np.int64)
    count = int(rng.integers(1, 5))
    for number in range(1, count + 1):
        y, x, height, width = rng.uniform((0.2, 0.2, 0.1, 0.1), (0.8, 0.8, 0.35, 0.35))
        regions[((ys - y) / height) ** 2 + ((xs - x) / width) ** 2 < 1] = number
    centres = rng.normal(size=(count + 1, 384)) + 0.3 * rng.normal(size=384)
    noise = rng.uniform(2, 4) * rng.normal(size=(side * side, 384))
    return (centres[regions.ravel()] + noise).astype(np.float32)


def ncut(side: int, quick: bool) -> Row:
    """TokenCut's eigenproblem on ``side`` x ``side`` tokens, one thread."""
    rng = np.random.default_rng(0)
    count = 2 if quick else 20
    tokens = torch.from_numpy(np.stack([object_tokens(side, rng) for _ in range(count)]))
    graphs = token_graphs(tokens, tau=0.05)
    arrays = list(graphs.numpy())

    found, fallbacks = second_eigenvectors(graphs, workers=1)
    cosines = []
    for graph, vector in zip(arrays, found, strict=True):
        weight = graph.sum(axis=1)
        exact = dense_eigenvector(graph)
        length = np.sqrt((weight * vector**2).sum() * (weight * exact**2).sum())
        cosines.append(abs((weight * vector * exact).sum()) / length)
    worst = 1 - min(cosines)
    steps = [lanczos(graph, rng.normal(size=side**2), 128, 1e-10)[-1] for graph in arrays]

    def sparse() -> None:
        for graph in arrays:
            scale = 1 / np.sqrt(graph.sum(axis=1))
            eigsh(graph * scale[:, None] * scale, k=2)

    def read_each_step() -> None:
        vector = np.ones(side**2)
        for graph, number in zip(arrays, steps, strict=True):
            for _ in range(number):
                graph @ vector

    times = in_turn(
        {
            "dense": lambda: [dense_eigenvector(graph) for graph in arrays],
            "ours": lambda: second_eigenvectors(graphs, workers=1),
            "sparse": sparse,
            "floor": read_each_step,
        },
        rounds=1 if quick else 5,
    )
    n, most = side**2, float(np.median(steps))
    return Row(
        what=f"TokenCut's second eigenvector, {n} tokens, one thread",
        baseline="scipy `eigh(subset_by_index)`",
        baseline_ms=times["dense"] / count,
        ours_ms=times["ours"] / count,
        least=10,
        same=bool(worst < 1e-7),
        agreement=f"1 - cosine at most {worst:.0e}, {fallbacks} of {count} fell back; "
        f"scipy `eigsh` takes {times['sparse'] / count:.2f} ms",
        floor=f"{most:.0f} products with the graph, {n * n * most / 1e6:.1f} M multiply-adds",
        floor_ms=times["floor"] / count,
        memory=(min(128, n - 1) + 1) * n * 8 / 1e6,
        facts={
            "fallbacks": fallbacks,
            "over_eigsh": round(times["sparse"] / times["ours"], 1),
            "steps": most,
        },
    )


PARTS: dict[str, Callable[[bool], Row]] = {
    "ncut196": partial(ncut, 14),
    "ncut900": partial(ncut, 30),
}


def table(rows: dict[str, Row]) -> str:
    """The block for the document."""
    lines = [
        "| part | straightforward form | wsol_mm | ratio (at least) | results | floor |"
        " times floor | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}`: {row.what} | {row.baseline}: {row.baseline_ms:.2f} ms | {row.ours_ms:.2f} ms "
        f"| {row.ratio:.1f}x ({row.least:g}x) | {row.agreement} "
        f"| {row.floor}: {row.floor_ms:.2f} ms | {row.ours_ms / row.floor_ms:.1f} "
        f"| {row.memory:.1f} MB |"
        for name, row in rows.items()
    ]
    facts = "; ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join(
        [
            "Time per image, medians, sides in turn, results compared before timing "
            "(`python benchmarks/refinement.py`).",
            "",
            *lines,
            "",
            f"Machine: {facts}.",
        ]
    )


def main() -> int:
    """Run, print, write the document; 1 if results differ or a ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help="parts to run")
    parser.add_argument("--quick", action="store_true", help="few images and rounds")
    parser.add_argument("--docs", type=Path, help="document to write (a full run writes docs/)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, Row] = {}
    for name in args.only or PARTS:
        with threadpool_limits(1):
            rows[name] = PARTS[name](args.quick)
        print(name, rows[name], flush=True)
    text = table(rows)
    print(text)
    docs = args.docs or (None if args.quick or args.only else DOCS)
    if docs:
        write_block(docs, "refinement", text)
    line: dict[str, float | bool] = {name: round(row.ratio, 1) for name, row in rows.items()}
    line |= {f"{name}_ms": round(row.ours_ms, 3) for name, row in rows.items()}
    for name, row in rows.items():
        line |= {f"{name}_{key}": value for key, value in row.facts.items()}
    line["identical"] = all(row.same for row in rows.values())
    met = all(row.ratio >= row.least for row in rows.values())
    print(json.dumps(line))
    return 0 if line["identical"] and (met or args.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
