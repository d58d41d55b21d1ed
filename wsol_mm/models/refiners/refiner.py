"""What all refiners share, and how a chain of them is laid over maps or predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from wsol_mm.registry import MODELS

Facts = dict[str, Any]


class Refiner(ABC):
    """One map of an image, redrawn at the image's size. Without parameters or state."""

    @abstractmethod
    def refine(
        self, score_maps: Tensor, images: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, list[Facts]]:
        """Redraw one map of each image.

        Args:
            score_maps: (B, h, w) float32, finite, of any scale and resolution.
            images: (B, 3, H, W) uint8 RGB that the maps lie over, on the same device.
            seeds: (B, h', w') float32 raw maps of the images' classes, where the localizer has such
                beside its maps; NaN for an image without one.

        Returns:
            (B, H, W) float32 from 0 to 1, and for each image what is worth knowing of the way
            there (plain numbers and words, may be empty).
        """


def build_refiners(configs: Sequence[dict]) -> list[Refiner]:
    """Build a chain from its config.

    Raises:
        TypeError: A type that is registered but no refiner.
    """
    refiners = []
    for config in configs:
        refiner = MODELS.build(config)
        if not isinstance(refiner, Refiner):
            raise TypeError(
                f"refiners: {config['type']} is no refiner; known are wsol_mm.ARM, wsol_mm.SGRM, "
                "wsol_mm.SeedSign and wsol_mm.DenseCRF"
            )
        refiners.append(refiner)
    return refiners


@torch.no_grad()
def refine(
    refiners: Sequence[Refiner],
    score_maps: Tensor,
    images: Tensor,
    seeds: Tensor | None = None,
) -> tuple[Tensor, list[list[Facts]]]:
    """Lay a chain of refiners over maps.

    A map with a NaN stays NaN, so that evaluation still counts it. A result without contrast (from
    a constant map) says that nothing was found: it becomes the whole image, whatever refiners
    follow. That is 1 but for the first pixel, since a map of ones would be normalised to nothing.

    Args:
        refiners: In order, each works on what the one before gave.
        score_maps: (B, h, w) raw maps.
        images: (B, 3, H, W) uint8 RGB, on the same device.
        seeds: As :meth:`Refiner.refine` takes them.

    Returns:
        (B, H, W) float32 from 0 to 1, and for each image the facts of each refiner.
    """
    size = tuple(images.shape[-2:])
    finite = score_maps.isfinite().flatten(1).all(dim=1)
    result = score_maps.new_full((len(images), *size), torch.nan, dtype=torch.float32)
    facts: list[list[Facts]] = [[] for _ in images]
    rows = finite.nonzero()[:, 0]
    if not len(rows):
        return result, facts
    maps, images = score_maps[rows].float(), images[rows]
    seeds = None if seeds is None else seeds[rows].float()
    # Before any resizing, whose rounding would be taken for contrast.
    nothing = _constant(maps)
    for refiner in refiners:
        maps, found = refiner.refine(maps, images, seeds)
        nothing |= _constant(maps)
        maps = torch.where(nothing[:, None, None], _whole(maps[0]), maps)
        for row, fact in zip(rows.tolist(), found, strict=True):
            facts[row].append(fact)
    if tuple(maps.shape[-2:]) != size:  # an empty chain
        maps = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    result[rows] = maps
    return result, facts


def refine_samples(
    refiners: Sequence[Refiner],
    samples: Sequence[BaseDataElement],
    inputs: Tensor,
    preprocessor: nn.Module,
) -> None:
    """Replace the maps of predicted samples by refined ones, in place.

    Only the first map is refined and kept, with its label: that of ``gt_label`` where it is known,
    else of the best class. It is the one that evaluation and pseudo boxes read, and a refined map
    must not stand beside raw ones. It has the size of the input. ``seed_map`` has served and goes.

    Args:
        refiners: The chain.
        samples: With ``pred_maps`` and ``map_labels``.
        inputs: (B, 3, H, W) what the network saw.
        preprocessor: The data preprocessor that made ``inputs`` from images.

    Raises:
        ValueError: A sample has no maps.
    """
    for sample in samples:
        if "pred_maps" not in sample:
            raise ValueError("refiners need maps, but the head predicts none (pred_maps)")
    first = torch.stack([sample.pred_maps[0] for sample in samples]).to(inputs.device)
    seeds = None
    if all("seed_map" in sample for sample in samples):
        seeds = torch.stack([sample.seed_map for sample in samples]).to(inputs.device)
    maps, _ = refine(refiners, first, input_images(inputs, preprocessor), seeds)
    for sample, refined in zip(samples, maps, strict=True):
        labels = sample.map_labels[:1]
        sample.set_data({"pred_maps": refined[None], "map_labels": labels})
        sample.pop("seed_map", None)


def input_images(inputs: Tensor, preprocessor: nn.Module) -> Tensor:
    """The uint8 RGB images (B, 3, H, W) that a data preprocessor made a network's inputs from."""
    images = inputs.float()
    if getattr(preprocessor, "_enable_normalize", False):
        images = images * preprocessor.std + preprocessor.mean
    if not getattr(preprocessor, "to_rgb", False):  # the pipelines load BGR
        images = images.flip(1)
    return images.round().clamp(0, 255).to(torch.uint8)


def _constant(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    return flat.amin(dim=1) == flat.amax(dim=1)


def _whole(score_map: Tensor) -> Tensor:
    whole = torch.ones_like(score_map)
    whole[0, 0] = 0
    return whole
