"""Self-guided re-prediction (SGRM): a small network, trained on one image, redraws its score map.

Coarse2Fine (LCAR), Pan et al., AAAI 2023, eq. 12 to 16. Where the map is clearly high or low it
labels its pixels; the network learns these labels and, elsewhere, the majority of its own
predictions in each superpixel. Its prediction takes the place of a threshold.

The paper leaves the network open. :mod:`wsol_mm.functional.aggregation_net` has the one of the code
that it resembles (Kanezaki 2018 in its fast variant: the same optimizer and superpixels), with two
outputs. All images start from the same weights, drawn from one seed, so that an image's result
depends on nothing but the image, its map and the settings. Many images can train at once, which is
slower on a CPU than one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm.functional.aggregation_net import initial_weights, margins, network_input
from wsol_mm.functional.sgrm_labels import IGNORE, SGRMSettings, StopRule, image_labels
from wsol_mm.functional.superpixels import majority_vote

__all__ = [
    "Reprediction",
    "SGRMSettings",
    "joint_loss",
    "repredict",
    "repredict_batch",
    "revise",
]

_COMPACT_EVERY = 20


class Reprediction(NamedTuple):
    """The result of one image.

    Attributes:
        mask: (H, W) bool, never empty.
        iterations: Forward passes in training; 0 if there was none.
        error: Share of reliable pixels that the last one got wrong.
        foreground_error: The same among reliable object pixels, which may be few.
        background_error: The same among reliable background pixels.
        fallback: Why the mask is not the network's, or empty: ``constant map`` (the mask is the
            whole image), ``no reliable foreground`` or ``empty mask`` (it is where the map lies
            above its mean).
    """

    mask: NDArray[np.bool_]
    iterations: int
    error: float
    foreground_error: float
    background_error: float
    fallback: str


def joint_loss(
    margin: Tensor, labels: Tensor, superpixel_labels: Tensor, settings: SGRMSettings
) -> Tensor:
    """Loss of every image (eq. 14 to 16); an empty set of pixels adds nothing.

    Args:
        margin: (B, H, W) logit of the object minus that of the background.
        labels: (B, H, W) uint8 reliable labels: 0, 1 or 255.
        superpixel_labels: (B, H, W) bool, the superpixels' labels (eq. 13).
        settings: For the three weights.

    Returns:
        (B,).

    Examples:
        >>> labels = torch.tensor([[[1, 255]]], dtype=torch.uint8)
        >>> loss = joint_loss(torch.zeros(1, 1, 2), labels, labels == 1, SGRMSettings())
        >>> bool(torch.isclose(loss, (2.0 + 0.1) * torch.tensor(2.0).log()))
        True
    """
    as_object, as_background = F.softplus(-margin), F.softplus(margin)
    total = settings.superpixel_weight * torch.where(
        superpixel_labels, as_object, as_background
    ).mean(dim=(1, 2))
    for value, loss, weight in (
        (1, as_object, settings.foreground_weight),
        (0, as_background, settings.background_weight),
    ):
        chosen = labels == value
        count = chosen.sum(dim=(1, 2)).clamp(min=1)
        total = total + weight * (loss * chosen).sum(dim=(1, 2)) / count
    return total


def revise(votes: Tensor, known: Tensor) -> Tensor:
    """Labels of superpixels (eq. 13): the reliable ones, and votes where there are none.

    Args:
        votes: (B, H, W) bool.
        known: (B, H, W) uint8 reliable labels: 0, 1 or 255.

    Examples:
        >>> known = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
        >>> revise(torch.tensor([[[True, False, True]]]), known).tolist()
        [[[False, True, True]]]
    """
    return torch.where(known == IGNORE, votes, known == 1)


def repredict(
    score_map: NDArray[np.floating],
    image: NDArray[np.uint8],
    settings: SGRMSettings | None = None,
) -> Reprediction:
    """Mask of one image.

    Args:
        score_map: (h, w) raw map; brought to the image's size by bilinear interpolation and to
            [0, 1] by min-max.
        image: (H, W, 3) uint8 that the map lies over.
        settings: Defaults if None.

    Returns:
        Mask and how it came about.

    Raises:
        ValueError: Wrong shapes, or a map with NaN or infinity.

    Examples:
        >>> image = np.full((16, 16, 3), 40, np.uint8)
        >>> image[4:12, 4:12] = [200, 30, 90]
        >>> score_map = np.zeros((4, 4))
        >>> score_map[1, 1] = 1.0  # sees a quarter of the object
        >>> settings = SGRMSettings(segment_min_size=4)
        >>> bool(repredict(score_map, image, settings).mask[5:9, 5:9].all())
        True
    """
    return repredict_batch([score_map], [image], settings)[0]


def repredict_batch(
    score_maps: Sequence[NDArray[np.floating]],
    images: Sequence[NDArray[np.uint8]],
    settings: SGRMSettings | None = None,
    device: torch.device | str = "cpu",
) -> list[Reprediction]:
    """Masks of many images, trained at once; worth it on an accelerator only.

    Args:
        score_maps: (h, w) raw maps.
        images: (H, W, 3) uint8, all of one size.
        settings: Defaults if None.
        device: Where the networks train.

    Returns:
        As :func:`repredict` of each, up to rounding.

    Raises:
        ValueError: Wrong shapes, or a map with NaN or infinity.
    """
    settings = settings or SGRMSettings()
    if len({image.shape for image in images}) > 1 or len(images) != len(score_maps):
        raise ValueError(
            f"expected one image for each of the {len(score_maps)} maps, all of one size, got "
            f"{[image.shape for image in images]}"
        )
    tasks = [_Task(*pair, settings) for pair in zip(score_maps, images, strict=True)]
    results = [task.fallback_result for task in tasks]
    open_tasks = [index for index, result in enumerate(results) if result is None]
    if open_tasks:
        trained = _train([tasks[index] for index in open_tasks], settings, torch.device(device))
        for index, result in zip(open_tasks, trained, strict=True):
            results[index] = result
    return [result for result in results if result is not None]


class _Task:
    """One image and its labels, at the size of training."""

    def __init__(
        self, score_map: NDArray[np.floating], image: NDArray[np.uint8], settings: SGRMSettings
    ) -> None:
        found = image_labels(score_map, image, settings)
        self.image = self.small = image
        self.above_mean = found.values > found.values.mean()
        self.fallback_result: Reprediction | None = None
        if not found.values.any():
            self.above_mean = np.ones_like(self.above_mean)
            self.fallback_result = self.fall_back("constant map")
            return
        old = image.shape[:2]
        size = [max(min(2, n), round(settings.train_scale * n)) for n in old]
        rows, columns = (
            (2 * np.arange(new) + 1) * whole // (2 * new)
            for new, whole in zip(size, old, strict=True)
        )
        grid = np.ix_(rows, columns)
        self.found = found
        self.segments, self.labels = found.segments[grid], found.pixels[grid]
        self.known = found.superpixels[grid]
        if tuple(size) != old:
            small = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
            self.small = np.asarray(small, dtype=np.uint8)
        if not (self.labels == 1).any():
            self.fallback_result = self.fall_back("no reliable foreground")

    def fall_back(self, reason: str) -> Reprediction:
        return Reprediction(self.above_mean, 0, 0.0, 0.0, 0.0, reason)


class _Batch(NamedTuple):
    """What networks train on, one row per image."""

    images: Tensor
    labels: Tensor
    known: Tensor
    segments: Tensor

    def rows(self, rows: Tensor) -> _Batch:
        return _Batch(*(field[rows] for field in self))


@torch.inference_mode(False)
@torch.enable_grad()
def _train(
    tasks: Sequence[_Task], settings: SGRMSettings, device: torch.device
) -> list[Reprediction]:
    """Train one network for each task until each has stopped; what it was then is kept."""

    def stack(arrays: list[NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(device)

    batch = _Batch(
        network_input(stack([task.small for task in tasks])),
        stack([task.labels for task in tasks]),
        stack([task.known for task in tasks]),
        stack([task.segments for task in tasks]),
    )
    count = len(tasks)
    weights = [w.to(device).expand(count, *w.shape).clone() for w in initial_weights(settings.seed)]
    velocity = [torch.zeros_like(w) for w in weights]
    kept = [w.clone() for w in weights]
    masks = torch.zeros_like(batch.labels, dtype=torch.bool)
    errors = torch.zeros(count, 3, device=device)
    steps = torch.zeros(count, dtype=torch.long, device=device)
    running = torch.arange(count, device=device)
    for step in range(1, settings.max_iterations + 1):
        final = step == settings.max_iterations
        # Asking a GPU whether all have stopped makes it wait, so it is asked now and then.
        pause = final or count == 1 or step % _COMPACT_EVERY == 0
        weights = [w.requires_grad_() for w in weights]
        margin = margins(weights, batch.images)
        prediction = margin.detach() > 0
        error, deciding = _errors(prediction, batch.labels, settings.stop)
        # Untrained networks are right by chance only, so there is at least one update.
        stop = (deciding < settings.tolerance) & (step > 1) | final
        stop &= steps[running] == 0
        state = [masks, errors, steps, *kept]
        now = [prediction, error, torch.full_like(running, step), *(w.detach() for w in weights)]
        for old, new in zip(state, now, strict=True):
            chosen = stop.view(-1, *[1] * (new.dim() - 1))
            old[running] = torch.where(chosen, new, old[running])
        going = steps[running] == 0
        if pause and not bool(going.any()):
            break
        votes = majority_vote(prediction, batch.segments)
        superpixel_labels = revise(votes, batch.known)
        loss = joint_loss(margin, batch.labels, superpixel_labels, settings).sum()
        gradients = torch.autograd.grad(loss, weights)
        weights = [w.detach() for w in weights]
        for weight, speed, gradient in zip(weights, velocity, gradients, strict=True):
            speed.mul_(settings.momentum).add_(gradient)
            weight.sub_(speed, alpha=settings.lr)
        if pause and not bool(going.all()):
            batch, running = batch.rows(going), running[going]
            weights, velocity = [w[going] for w in weights], [v[going] for v in velocity]
    if settings.train_scale < 1:
        with torch.no_grad():
            masks = margins(kept, network_input(stack([task.image for task in tasks]))) > 0
    if settings.mask == "vote":
        votes = majority_vote(masks, stack([task.found.segments for task in tasks]))
        masks = revise(votes, stack([task.found.superpixels for task in tasks]))
    results = zip(tasks, masks.cpu().numpy(), steps.tolist(), errors.tolist(), strict=True)
    return [
        Reprediction(mask, n, pooled, of_object, of_ground, "")
        if mask.any()
        else Reprediction(task.above_mean, n, pooled, of_object, of_ground, "empty mask")
        for task, mask, n, (pooled, of_object, of_ground) in results
    ]


def _errors(prediction: Tensor, labels: Tensor, rule: StopRule) -> tuple[Tensor, Tensor]:
    """Shares of wrong reliable pixels, and the one that ends training.

    Returns:
        (B, 3): of all reliable pixels, of those of the object, of those of the background; and (B,)
        what the rule compares with the tolerance.
    """
    right_object, right_ground = (labels == 1).flatten(1), (labels == 0).flatten(1)
    said = prediction.flatten(1)
    missed, false = (right_object & ~said).sum(dim=1), (right_ground & said).sum(dim=1)
    objects, grounds = right_object.sum(dim=1), right_ground.sum(dim=1)
    pairs = ((missed + false, objects + grounds), (missed, objects), (false, grounds))
    shares = torch.stack([wrong / count.clamp(min=1) for wrong, count in pairs], dim=1)
    if rule == "pooled":
        return shares, shares[:, 0]
    # A class without reliable pixels has no size to compare with.
    smaller = torch.where((objects == 0) | (grounds == 0), objects + grounds, objects.min(grounds))
    return shares, torch.maximum(missed, false) / smaller.clamp(min=1)
