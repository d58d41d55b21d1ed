"""WEND's figures: GT-known after every epoch, and boxes beside the truth, failures included."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from numpy.typing import NDArray

from wsol_mm.engine import read_checkpoint
from wsol_mm.functional.boxes import box_iou
from wsol_mm.io import atomic_write
from wsol_mm.visualization.drawing import GROUND_TRUTH, PREDICTION, draw_boxes, image_grid

OTHERS = (60, 170, 250)  # BGR of the boxes below the best one
SHOWN = 0.3  # their smallest score
ENLARGED = 192  # side in pixels that a picture is drawn at
QUALITY = 80  # of the jpg: ten noisy scenes stay below 300 KB


@dataclass(frozen=True)
class Line:
    """One curve: epochs (n,), and of their metric over the seeds mean, minimum and maximum (n,)."""

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def curve(histories: Sequence[Mapping[str, Mapping[str, float]]], metric: str) -> Line:
    """A metric of val over the epochs that all seeds validated.

    Args:
        histories: One ``{epoch: {metric: value}}`` per seed, the ``history`` of a trial's result.
        metric: Key.

    Raises:
        ValueError: There is no common epoch with this metric.

    >>> curve([{"1": {"m": 2.0}, "2": {"m": 4.0}}, {"1": {"m": 6.0}}], "m")
    Line(epochs=[1], mean=[4.0], low=[2.0], high=[6.0])
    """
    found = [
        {int(epoch): row[metric] for epoch, row in history.items() if metric in row}
        for history in histories
    ]
    epochs = sorted(set.intersection(*map(set, found))) if found else []
    if not epochs:
        raise ValueError(f"no epoch has {metric} in all of {len(found)} histories")
    values = [[seed[epoch] for seed in found] for epoch in epochs]
    return Line(
        epochs,
        [statistics.fmean(row) for row in values],
        [min(row) for row in values],
        [max(row) for row in values],
    )


def plot_curves(panels: Mapping[str, Mapping[str, Line]], path: Path) -> None:
    """One panel per title, one line per name with the range of its seeds; a png file."""
    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, lines) in zip(every, panels.items(), strict=True):
        for name, line in lines.items():
            axes.plot(line.epochs, line.mean, marker=".", label=name)
            axes.fill_between(line.epochs, line.low, line.high, alpha=0.15)
        axes.set(title=title, xlabel="epoch", xscale="log")
        ticks = [2**power for power in range(8) if 2**power <= max(max_epochs(lines), 2)]
        axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    every[0].set_ylabel("GT-known on val, %")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)


def max_epochs(lines: Mapping[str, Line]) -> int:
    """The last epoch of any line."""
    return max(line.epochs[-1] for line in lines.values())


@dataclass(frozen=True)
class Prediction:
    """A test image with its true boxes (t, 4) and scored boxes (n, 4), best first, with scores."""

    path: str
    truth: NDArray[np.float64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def ious(self) -> NDArray[np.float64]:
        """(n,) best IoU of each box with a true one."""
        return box_iou(self.boxes, self.truth).max(axis=1, initial=0.0)

    @property
    def iou(self) -> float:
        """IoU of the best-scored box; 0 without one."""
        return float(self.ious[:1].max(initial=0.0))


@torch.no_grad()
def predict(config: Path, checkpoint: Path) -> dict[str, Prediction]:
    """Boxes of a detector for its config's test split, in the original frame, by image name."""
    cfg = Config.fromfile(config)
    cfg.test_dataloader.pin_memory = False
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
        model = MODELS.build(cfg.model)
        content = read_checkpoint(checkpoint, "cpu")
        model.load_state_dict(content["state_dict"])
        model = model.to(get_device()).eval()
        found = {}
        for batch in loader:
            for sample in model.test_step(batch):
                instances = sample.pred_instances
                instances = instances[instances.scores.argsort(descending=True, stable=True)]
                found[sample.img_id] = Prediction(
                    sample.img_path,
                    np.asarray(sample.gt_instances.bboxes, dtype=float).reshape(-1, 4),
                    instances.bboxes.double().cpu().numpy(),
                    instances.scores.double().cpu().numpy(),
                )
    return found


def choose(found: Mapping[str, Prediction], count: int) -> tuple[list[str], list[str]]:
    """Images to show, by rule: spread evenly over the split, and those of the smallest IoU.

    Args:
        found: Predictions in the order of the split.
        count: Images of each kind; fewer where the split has fewer.

    Returns:
        Names of ``count`` images at a fixed stride from the first, and of the ``count`` images
        whose best-scored box is worst, worst first; equal ones in the order of the split.
    """
    names = list(found)
    stride = max(len(names) // count, 1)
    return names[::stride][:count], sorted(names, key=lambda name: found[name].iou)[:count]


def draw(prediction: Prediction) -> NDArray[np.uint8]:
    """The enlarged image with its best-scored box, and its IoU, over the others of some score."""
    image, scale = _enlarged(prediction.path)
    others = prediction.boxes[1:][prediction.scores[1:] >= SHOWN]
    image = draw_boxes(image, scale * others, OTHERS)
    best = scale * prediction.boxes[:1]
    return draw_boxes(image, best, PREDICTION, prediction.ious[:1])


def _enlarged(path: str) -> tuple[NDArray[np.uint8], float]:
    image = mmcv.imread(path)
    scale = ENLARGED / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), scale


def draw_comparison(
    models: Mapping[str, Mapping[str, Prediction]], judged: str, count: int, path: Path
) -> None:
    """Truth and the boxes of several models: left at a fixed stride, right the judged one's worst.

    Args:
        models: Predictions of each model for the same images.
        judged: Name of the model whose worst images are shown.
        count: Rows.
        path: Jpg file.

    Raises:
        ValueError: The models saw different images.
    """
    reference = models[judged]
    for name, found in models.items():
        if found.keys() != reference.keys():
            raise ValueError(f"{name} and {judged} were tested on different images")

    def cells(image: str) -> list[NDArray[np.uint8]]:
        picture, scale = _enlarged(reference[image].path)
        truth = draw_boxes(picture, scale * reference[image].truth, GROUND_TRUTH)
        return [truth, *(draw(found[image]) for found in models.values())]

    spread, worst = choose(reference, count)
    rows = [cells(left) + cells(right) for left, right in zip(spread, worst, strict=True)]
    titles = ["evenly spread: truth", *models, "worst: truth", *models]
    with atomic_write(path) as temporary:
        grid = image_grid(rows, titles, cell=ENLARGED)
        cv2.imwrite(str(temporary), grid, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
