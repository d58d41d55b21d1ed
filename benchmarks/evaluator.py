"""Speed of the evaluator against contour searches: a sweep of thresholds, a sweep of levels.

One thread, 224x224 maps, all contours. Before anything is timed the results of both sides are
compared for equality, for both contour rules. Times are CPU time of the thread, which other work
on the machine does not distort; medians over repeats, sides taken in turn.

    python -m benchmarks.evaluator            # about four minutes; writes benchmarks/results
    python -m benchmarks.evaluator --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import add_result_options, finish, measured

SIDE = 224
GT = np.array([[41.0, 37.0, 180.0, 201.0]])
# kind: (what it is, least ratio over the threshold sweep, least ratio over the level sweep)
KINDS = {
    "smooth": ("14x14, blurred, upsampled", 30, 8),
    "rough": ("28x28, random, upsampled", 100, 30),
    "noise": ("every pixel random", 3000, 1000),
}


def make_map(kind: str, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One (side, side) uint8 map of a kind."""
    import cv2

    from wsol_mm.functional.cam import normalize_map, to_grey, upsample_map

    if kind == "noise":
        raw = rng.random((side, side))
    elif kind == "rough":
        raw = rng.random((28, 28))
    else:
        raw = cv2.GaussianBlur(rng.random((14, 14)), (0, 0), 1.5)
    return to_grey(normalize_map(upsample_map(raw, (side, side))))


def identical(grey: NDArray[np.uint8], thresholds: NDArray[np.float64]) -> bool:
    """Whether the curves equal both sweeps bit for bit."""
    from wsol_mm.functional.component_tree import best_iou_curves
    from wsol_mm.testing.sweep import sweep_levels, sweep_thresholds

    largest, every = best_iou_curves(grey, GT)
    levels = (thresholds * int(grey.max())).astype(int)
    return (
        np.array_equal(sweep_levels(grey, GT, largest=True), largest)
        and np.array_equal(sweep_levels(grey, GT, largest=False), every)
        and np.array_equal(sweep_thresholds(grey, GT, thresholds, largest=False), every[levels])
    )


def read_and_sort(grey: NDArray[np.uint8]) -> None:
    """The floor: no method that looks at pixels in grey order can do less."""
    from wsol_mm.functional.component_passes import sort_pixels

    side, shift = grey.shape[0], 8
    padded = np.full((side + 2, 1 << shift), -1, np.int16)
    padded[1:-1, 1 : side + 1] = grey
    order = np.empty(grey.size, np.int32)
    sort_pixels(padded, side, side, shift, order, np.empty(257, np.int64))


def clock(call: Callable[[], object], loops: int) -> float:
    """Milliseconds of CPU time of one call, over ``loops`` calls."""
    start = time.thread_time()
    for _ in range(loops):
        call()
    return (time.thread_time() - start) / loops * 1e3


def measure(kind: str, side: int, maps: int, repeats: int, thresholds: NDArray[np.float64]) -> dict:
    """Medians in milliseconds per map of the four sides, and whether the results agree."""
    from wsol_mm.functional.component_tree import best_iou_curves
    from wsol_mm.testing.sweep import sweep_levels, sweep_thresholds

    rng = np.random.default_rng(0)
    greys = [make_map(kind, side, rng) for _ in range(maps)]
    same = all(identical(grey, thresholds) for grey in greys)
    times: dict[str, list[float]] = {"thresholds": [], "levels": [], "ours": [], "floor": []}
    for _ in range(repeats):
        for grey in greys:
            for name, call, loops in (
                (
                    "thresholds",
                    lambda g=grey: sweep_thresholds(g, GT, thresholds, largest=False),
                    1,
                ),
                ("levels", lambda g=grey: sweep_levels(g, GT, largest=False), 1),
                ("ours", lambda g=grey: best_iou_curves(g, GT), 20),
                ("floor", lambda g=grey: read_and_sort(g), 20),
            ):
                times[name].append(clock(call, loops))
    return {"identical": same} | {k: float(np.median(v)) for k, v in times.items()}


def rows_of(results: dict[str, dict]) -> list[dict]:
    """What is kept of each kind of map."""
    return [
        {
            "map": kind,
            "what": KINDS[kind][0],
            "thresholds_ms": r["thresholds"],
            "levels_ms": r["levels"],
            "ours_ms": r["ours"],
            "ratio": r["thresholds"] / r["ours"],
            "least": KINDS[kind][1],
            "ratio_levels": r["levels"] / r["ours"],
            "least_levels": KINDS[kind][2],
            "floor_ms": r["floor"],
            "over_floor": r["ours"] / r["floor"],
        }
        for kind, r in results.items()
    ]


def main() -> int:
    """Run, print, keep the record; 1 if results differ or a ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="64x64, 10 thresholds, one repeat")
    add_result_options(parser)
    args = parser.parse_args()
    import cv2

    from wsol_mm.functional.component_tree import best_iou_curves

    cv2.setNumThreads(1)
    thresholds = np.arange(0, 1, 0.1 if args.quick else 0.001)
    side, repeats = (64, 1) if args.quick else (SIDE, 3)
    best_iou_curves(np.eye(side, dtype=np.uint8), GT)  # compiles, or reads the cache
    results = {}
    for kind in KINDS:
        maps = 1 if args.quick or kind == "noise" else 7
        results[kind] = measure(kind, side, maps, repeats, thresholds)
        print(kind, {name: round(value, 3) for name, value in results[kind].items()}, flush=True)
    settings = {"side": side, "thresholds": len(thresholds), "repeats": repeats}
    record = measured("evaluator", "python -m benchmarks.evaluator", settings, rows_of(results))
    finish(record, args.results, full=not args.quick)
    line = {kind: round(r["thresholds"] / r["ours"], 1) for kind, r in results.items()}
    line |= {f"{kind}_levels": round(r["levels"] / r["ours"], 1) for kind, r in results.items()}
    line |= {f"{kind}_ms": round(r["ours"], 3) for kind, r in results.items()}
    line |= {f"{kind}_over_floor": round(r["ours"] / r["floor"], 1) for kind, r in results.items()}
    line["identical"] = all(r["identical"] for r in results.values())
    met = all(
        line[kind] >= least and line[f"{kind}_levels"] >= least_levels
        for kind, (_, least, least_levels) in KINDS.items()
    )
    print(json.dumps(line))
    return 0 if line["identical"] and (met or args.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
