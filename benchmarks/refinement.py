"""Speed of the refinement chain against its straightforward form, part by part.

Each part compares the results of both sides before it times them, takes the sides in turn and
reports medians. A part is one entry of ``PARTS``: a function ``quick -> Row``.

    python -m benchmarks.refinement                         # all parts; writes benchmarks/results
    python -m benchmarks.refinement --only ncut196 ncut900  # some parts, writes nothing
    python -m benchmarks.refinement --quick                 # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from benchmarks.measure import peak_memory
from benchmarks.plain_sgrm import plain_repredict, vote_by_loop, vote_by_scatter
from benchmarks.record import add_result_options, finish, measured
from wsol_mm.apis.refinement import prepare_worker
from wsol_mm.functional.aggregation_net import LAYERS
from wsol_mm.functional.arm import (
    NEIGHBOURHOODS,
    ARMSettings,
    affinity,
    neighbour_offsets,
    refine_maps,
)
from wsol_mm.functional.lanczos import lanczos
from wsol_mm.functional.sgrm import SGRMSettings, repredict
from wsol_mm.functional.tokencut import dense_eigenvector, second_eigenvectors, token_graphs


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


def scene(side: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A textured ellipse on a textured ground, and a 14 x 14 map of its upper left part."""
    y, x = np.mgrid[:side, :side] / side
    centre, radii = rng.uniform(0.4, 0.6, 2), rng.uniform(0.2, 0.35, 2)
    inside = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1
    colours = rng.uniform(40, 215, (2, 3))
    grain = cv2.GaussianBlur(rng.normal(size=(side, side, 3)), (0, 0), 2) * 60
    image = (colours[inside.astype(int)] + grain).clip(0, 255).astype(np.uint8)
    ys, xs = np.mgrid[:14, :14] / 14
    part = centre - 0.4 * radii
    score_map = np.exp(-(((ys - part[0]) / radii[0]) ** 2) - ((xs - part[1]) / radii[1]) ** 2)
    return score_map.astype(np.float32), image


def unfold_arm(
    score_map: NDArray[np.float32], image: NDArray[np.uint8], settings: ARMSettings
) -> NDArray[np.float32]:
    """ARM by torch's ``unfold`` in every iteration, the weights computed once."""
    distances = NEIGHBOURHOODS[settings.neighbours]
    size = image.shape[:2]

    def around(maps: torch.Tensor) -> torch.Tensor:
        found = []
        for step in distances:
            padded = F.pad(maps, (step,) * 4, mode="replicate")
            patches = F.unfold(padded, 3, dilation=step).view(maps.shape[1], 9, *size)
            found.append(torch.cat([patches[:, :4], patches[:, 5:]], dim=1))
        return torch.cat(found, dim=1)

    colours = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    neighbours = around(colours)
    spread = neighbours.std(dim=1, keepdim=True) + 1e-8
    distance = (neighbours - colours[0][:, None]) / spread / settings.color_scale
    weights = (-distance.square().mean(dim=0)).softmax(dim=0)
    lengths = torch.from_numpy(np.linalg.norm(neighbour_offsets(settings.neighbours), axis=1))
    near = (-((lengths / (lengths.std() + 1e-8) / settings.position_scale) ** 2)).softmax(dim=0)
    weights = weights + settings.position_weight * near.float()[:, None, None]
    values = F.interpolate(torch.from_numpy(score_map)[None, None], size=size, mode="bilinear")
    values = (values - values.min()) / (values.max() - values.min()) - 0.5
    for _ in range(settings.iterations):
        update = (weights * around(values)[0]).sum(dim=0)
        values = settings.center_weight * values + (1 - settings.center_weight) * update
    values = (values - values.min()) / (values.max() - values.min())
    return values[0, 0].numpy()


def arm(quick: bool) -> Row:
    """ARM with 48 neighbours and 50 iterations, one thread."""
    side = 64 if quick else 224
    settings = ARMSettings()
    score_map, image = scene(side, np.random.default_rng(0))
    ours = refine_maps(score_map[None], image, settings)[0]
    worst = float(np.abs(ours - unfold_arm(score_map, image, settings)).max())
    weights = affinity(image, settings).ravel()
    times = in_turn(
        {
            "unfold": lambda: unfold_arm(score_map, image, settings),
            "ours": lambda: refine_maps(score_map[None], image, settings),
            "six": lambda: refine_maps(np.repeat(score_map[None], 6, axis=0), image, settings),
            "floor": lambda: [weights @ weights for _ in range(settings.iterations)],
        },
        rounds=1 if quick else 7,
    )
    work = weights.size * settings.iterations
    return Row(
        what=f"ARM, {side} px, {settings.neighbours} neighbours, {settings.iterations} iterations, "
        "one thread",
        baseline="`F.unfold` in each iteration",
        baseline_ms=times["unfold"],
        ours_ms=times["ours"],
        least=3,
        same=worst < 1e-3,
        agreement=f"difference at most {worst:.0e}; six maps of an image {times['six']:.1f} ms",
        floor=f"weights read once in each iteration, {work / 1e6:.0f} M multiply-adds, "
        f"{4 * work / 1e6:.0f} MB",
        floor_ms=times["floor"],
        memory=weights.nbytes / 1e6,
    )


def sgrm(train_scale: float, quick: bool) -> Row:
    """SGRM: a loop over images with all cores, against a single-threaded process per core."""
    side, count, steps = (32, 2, 3) if quick else (224, 4, 20)
    cores = os.cpu_count() or 1
    rng = np.random.default_rng(0)
    pairs = [scene(side, rng) for _ in range(count)]
    # Equal work on both sides: no image stops early.
    fixed = SGRMSettings(tolerance=0.0, max_iterations=steps, train_scale=train_scale)
    rule = SGRMSettings(train_scale=train_scale, max_iterations=steps if quick else 200)

    def loop(vote: Callable) -> list[NDArray[np.bool_]]:
        torch.set_num_threads(cores)
        try:
            return [plain_repredict(*pair, fixed, vote)[0] for pair in pairs]
        finally:
            torch.set_num_threads(1)

    # As in tools/refine_maps.py; the workers live on, so their start is not timed. That takes
    # seconds, so a smoke run has a thread.
    start_pool = partial(ThreadPool, 1) if quick else partial(get_context("forkserver").Pool, cores)
    with start_pool(initializer=prepare_worker) as pool:
        ours = pool.starmap(repredict, [(*pair, fixed) for pair in pairs], chunksize=1)
        agreed = []
        for mine, plain in zip(ours, loop(vote_by_loop), strict=True):
            if train_scale < 1:
                agreed.append((mine.mask & plain).sum() / max(1, (mine.mask | plain).sum()))
            else:
                agreed.append((mine.mask == plain).mean())
        times = in_turn(
            {
                "loop": lambda: loop(vote_by_loop),
                "scatter": lambda: loop(vote_by_scatter),
                "ours": lambda: pool.starmap(
                    repredict, [(*pair, fixed) for pair in pairs], chunksize=1
                ),
            },
            rounds=1 if quick else 3,
            clock=time.perf_counter,
        )
        start = time.perf_counter()
        chained = pool.starmap(chain, [(*pair, rule) for pair in pairs], chunksize=1)
        rate = count / (time.perf_counter() - start)
    size = max(2, round(side * train_scale)) ** 2
    passes = [outputs * inputs * kernel**2 for inputs, outputs, kernel in LAYERS]
    # Forward, then gradients of weights and of all inputs but the image.
    work = size * (steps * sum(passes) + (steps - 1) * (2 * sum(passes) - passes[0]))
    square = torch.rand(768, 768)
    product = in_turn({"mm": lambda: square @ square}, rounds=3 if quick else 21)["mm"]
    exact = train_scale == 1
    return Row(
        what=f"SGRM, {side} px, {steps} iterations"
        + ("" if exact else f", trained at {train_scale:g} of the side")
        + f", {cores} cores",
        baseline="loop over images and superpixels, full size",
        baseline_ms=times["loop"] / count,
        ours_ms=times["ours"] / count,
        least=1.3 if exact else 4,
        same=bool(min(agreed) > (0.98 if exact else 0.5)),
        agreement=(
            f"{100 * min(agreed):.2f} % of pixels equal"
            if exact
            else f"an approximation, IoU of the masks at least {min(agreed):.2f}"
        )
        + f"; the loop with the scatter vote {times['scatter'] / count:.0f} ms; ARM and SGRM to "
        f"the end, {rate:.2f} images/s",
        floor=f"{work / 1e9:.1f} G multiply-adds at the rate of matrix products",
        floor_ms=work / 768**3 * product / cores,
        memory=peak_memory(lambda: repredict(*pairs[0], replace(fixed, max_iterations=2))) / 1e6,
        facts={
            "over_scatter": round(times["scatter"] / times["ours"], 2),
            "chain_images_per_second": round(rate, 2),
            "chain_iterations": float(np.median(chained)),
        },
    )


def chain(score_map: NDArray[np.float32], image: NDArray[np.uint8], settings: SGRMSettings) -> int:
    """ARM, then SGRM until it stops; its iterations."""
    return repredict(refine_maps(score_map[None], image)[0], image, settings).iterations


PARTS: dict[str, Callable[[bool], Row]] = {
    "ncut196": partial(ncut, 14),
    "ncut900": partial(ncut, 30),
    "arm": arm,
    "sgrm_exact": partial(sgrm, 1.0),
    "sgrm_fast": partial(sgrm, 0.5),
}


def rows_of(rows: dict[str, Row]) -> list[dict]:
    """What is kept of each part."""
    return [
        {
            "part": name,
            "what": row.what,
            "baseline": row.baseline,
            "baseline_ms": row.baseline_ms,
            "ours_ms": row.ours_ms,
            "ratio": row.ratio,
            "least": row.least,
            "agreement": row.agreement,
            "floor": row.floor,
            "floor_ms": row.floor_ms,
            "over_floor": row.ours_ms / row.floor_ms,
            "memory_mb": row.memory,
        }
        for name, row in rows.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, keep the record; 1 if results differ or a ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help="parts to run")
    parser.add_argument("--quick", action="store_true", help="few images and rounds")
    add_result_options(parser)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows: dict[str, Row] = {}
    for name in args.only or PARTS:
        with threadpool_limits(1):
            rows[name] = PARTS[name](args.quick)
        print(name, rows[name], flush=True)
    record = measured("refinement", "python -m benchmarks.refinement", {}, rows_of(rows))
    finish(record, args.results, full=not (args.quick or args.only))
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
