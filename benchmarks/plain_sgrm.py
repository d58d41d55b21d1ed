"""SGRM as one would write it down: modules, an optimizer, cross entropies, a loop for the vote.

What tests and the benchmark compare :mod:`wsol_mm.functional.sgrm` with.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wsol_mm.functional.sgrm_labels import IGNORE, SGRMSettings, reliable_labels
from wsol_mm.functional.superpixels import majority_vote, superpixel_means, superpixels


def plain_network(seed: int) -> nn.Sequential:
    """The Aggregation Net."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        convolutions = [
            nn.Conv2d(3, 64, 3, padding=1),
            nn.Conv2d(64, 32, 1),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.Conv2d(64, 2, 1),
        ]
    parts: list[nn.Module] = []
    for convolution in convolutions:
        parts += [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]
    return nn.Sequential(*parts[:-2])


def vote_by_loop(segments: NDArray[np.int64]) -> Callable[[Tensor], Tensor]:
    """A vote that goes through the superpixels one by one; their pixels are found beforehand."""
    pixels = [np.flatnonzero(segments == segment) for segment in range(segments.max() + 1)]

    def vote(prediction: Tensor) -> Tensor:
        flat = prediction.numpy().ravel().copy()
        for inside in pixels:
            values, counts = np.unique(flat[inside], return_counts=True)
            flat[inside] = values[counts.argmax()]
        return torch.from_numpy(flat).view_as(prediction)

    return vote


def vote_by_scatter(segments: NDArray[np.int64]) -> Callable[[Tensor], Tensor]:
    """The library's vote."""
    ids = torch.from_numpy(segments)[None]

    def vote(prediction: Tensor) -> Tensor:
        return majority_vote(prediction[None].bool(), ids)[0].long()

    return vote


def plain_repredict(
    score_map: NDArray[np.floating],
    image: NDArray[np.uint8],
    settings: SGRMSettings,
    vote: Callable[[NDArray[np.int64]], Callable[[Tensor], Tensor]] = vote_by_loop,
) -> tuple[NDArray[np.bool_], int, float]:
    """Mask, iterations and error of one image; neither fallbacks nor ``train_scale``."""
    height, width = image.shape[:2]
    values = cv2.resize(score_map.astype(np.float64), (width, height))
    values = (values - values.min()) / (values.max() - values.min())
    segments = superpixels(
        image,
        scale=settings.segment_scale,
        sigma=settings.segment_sigma,
        min_size=settings.segment_min_size,
    )
    means = superpixel_means(values, segments)
    labels = torch.from_numpy(reliable_labels(values, settings.low, settings.high)).long()
    known = torch.from_numpy(
        reliable_labels(means, settings.superpixel_low, settings.superpixel_high)
    ).long()
    decide = vote(segments)
    network = plain_network(settings.seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=settings.lr, momentum=settings.momentum)
    inputs = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    step = 0
    while True:
        step += 1
        logits = network(inputs)
        prediction = logits[0].argmax(dim=0)
        wrong = float((prediction != labels)[labels != IGNORE].float().mean())
        if (step > 1 and wrong < settings.tolerance) or step == settings.max_iterations:
            return prediction.numpy().astype(bool), step, wrong
        target = torch.where(known == IGNORE, decide(prediction), known)
        loss = settings.superpixel_weight * F.cross_entropy(logits, target[None])
        for value, weight in (
            (1, settings.foreground_weight),
            (0, settings.background_weight),
        ):
            chosen = torch.where(labels == value, labels, IGNORE)
            if (chosen == value).any():
                loss = loss + weight * F.cross_entropy(logits, chosen[None], ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
