"""Speed of Localizer against the bare network and against grad-cam's own CAM on the same network.

The default model on photographs in memory: scikit-image's cat, cup and rocket in turn. Sides take
turns on the same batches; CPU time of the process on one thread, which other work does not distort.
Maps of both sides are compared before they are timed: grad-cam's CAM is its Grad-CAM on the last
features, which equals the class activation map's positive part up to a factor.

    python -m benchmarks.inference            # about three minutes; writes benchmarks/results
    python -m benchmarks.inference --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import peak_memory, ratio, take_turns
from benchmarks.record import add_result_options, finish, measured

if TYPE_CHECKING:
    from PIL import Image

    from wsol_mm import Localizer

# At most so much longer than the bare forward pass, at least so much faster than grad-cam.
MOST_OVER_BARE, LEAST_OVER_GRAD_CAM = 1.10, 1.5
NETWORK = "EfficientNet-Lite0 with 14x14 maps at 224 px"


def read_options(about: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of a benchmark of Localizer."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three images, two rounds")
    add_result_options(parser)
    return parser.parse_args(argv)


def default_localizer() -> Localizer:
    """The default model, :data:`NETWORK`, on one thread of the CPU."""
    import torch

    from wsol_mm import Localizer

    torch.set_num_threads(1)
    return Localizer(method="cam", device="cpu", show_progress=False)


def photographs(count: int) -> list[Image.Image]:
    """Cat, cup and rocket, as often as needed."""
    import skimage.data
    from PIL import Image

    kinds = [
        Image.fromarray(getattr(skimage.data, name)()) for name in ("chelsea", "coffee", "rocket")
    ]
    return [kinds[number % len(kinds)] for number in range(count)]


def sides(localizer: Localizer, images: list[Image.Image]) -> dict[str, Callable[[], Any]]:
    """What is timed: name -> one batch."""
    import torch
    from pytorch_grad_cam import GradCAM

    predictor = localizer.predictor
    arrays = [np.asarray(image) for image in images]
    inputs = predictor.preprocessing(arrays, predictor.device)
    layer = predictor.pooled.site.module

    def bare() -> torch.Tensor:
        with torch.no_grad():
            return predictor.network(inputs)

    def read_and_bare() -> torch.Tensor:
        with torch.no_grad():
            return predictor.network(predictor.preprocessing(arrays, predictor.device))

    def grad_cam() -> np.ndarray:
        with GradCAM(predictor.network, [layer]) as cam:
            return cam(inputs, targets=None)

    return {
        "bare forward pass": bare,
        "squash, normalise, forward pass": read_and_bare,
        "Localizer: boxes": lambda: localizer(images, batch_size=len(images)),
        "grad-cam's CAM: maps": grad_cam,
    }


def same_maps(localizer: Localizer, images: list[Image.Image], theirs: np.ndarray) -> float:
    """The largest difference of the two sides' maps in [0, 1] at the input's size."""
    from pytorch_grad_cam.utils.image import scale_cam_image

    differences = []
    for result, other in zip(localizer(images), theirs, strict=True):
        (score_map,) = result.raw_maps.values()
        ours = scale_cam_image(np.maximum(score_map, 0)[None], result.frame.input_size)
        ours = scale_cam_image(ours)[0]  # they do so twice
        differences.append(float(np.abs(ours - other).max()))
    return max(differences)


def speeds(times: dict[str, list[float]], batch: int) -> dict[str, dict[str, Any]]:
    """A row for each side, by its name."""
    return {
        name: {"side": name, "images_per_second": batch / statistics.median(found) * 1e3}
        for name, found in times.items()
    }


def rows_of(times: dict[str, list[float]], peaks: dict[str, int], batch: int) -> list[dict]:
    """What is kept of each side."""
    bare = times["bare forward pass"]
    return [
        {**row, "over_bare": ratio(times[name], bare), "peak_mib": peaks[name] / 2**20}
        for name, row in speeds(times, batch).items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, keep the record; 1 if maps differ or a limit is missed."""
    args = read_options(__doc__, argv)
    batch, rounds = (3, 2) if args.quick else (16, 9)
    localizer = default_localizer()
    images = photographs(batch)
    calls = sides(localizer, images)
    theirs = [call() for call in calls.values()][-1]  # warms all of them up
    far = same_maps(localizer, images, theirs)
    peaks = {name: peak_memory(call) for name, call in calls.items()}
    times = take_turns(calls, rounds, "cpu")
    settings = {
        "network": NETWORK,
        "batch": batch,
        "rounds": rounds,
        "difference": far,
        "most_over_bare": MOST_OVER_BARE,
        "least_over_grad_cam": LEAST_OVER_GRAD_CAM,
    }
    command = "python -m benchmarks.inference"
    record = measured("inference", command, settings, rows_of(times, peaks, batch))
    finish(record, args.results, full=not args.quick)
    over_bare = ratio(times["Localizer: boxes"], times["bare forward pass"])
    over_grad_cam = ratio(times["grad-cam's CAM: maps"], times["Localizer: boxes"])
    line = {"over_bare": round(over_bare, 3), "over_grad_cam": round(over_grad_cam, 2)}
    print(json.dumps({**line, "difference": far, "images_per_round": batch}))
    met = over_bare <= MOST_OVER_BARE and over_grad_cam >= LEAST_OVER_GRAD_CAM
    return 0 if far < 1e-3 and (met or args.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
