"""Affinity refinement as a registered part."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsol_mm.functional.arm import ARM_PRESETS, refine_batch, refine_maps
from wsol_mm.models.refiners.refiner import Facts, Refiner
from wsol_mm.registry import MODELS


@MODELS.register_module()
class ARM(Refiner):
    """LCAR's affinity refinement module, Pan et al., AAAI 2023.

    One image after another on a CPU, the whole batch at once elsewhere.

    Args:
        preset: Where settings come from that are not given: ``afa``, the code of the method that
            the paper builds on, or ``lcar``, the paper's eq. 7 and 8 as printed.
        **keys: Of :class:`wsol_mm.functional.arm.ARMSettings`: ``neighbours``, ``color_scale``,
            ``position_weight``, ``center_weight``, ``iterations``, ``position_scale``,
            ``color_distance``.

    Raises:
        TypeError: An unknown key.
        ValueError: A value out of range, or an unknown preset.
    """

    def __init__(self, preset: str = "afa", **keys: Any) -> None:
        if preset not in ARM_PRESETS:
            raise ValueError(f"ARM: preset must be one of {list(ARM_PRESETS)}, got {preset!r}")
        self.settings = replace(ARM_PRESETS[preset], **keys)

    def refine(
        self, score_maps: Tensor, images: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, list[Facts]]:
        """See :meth:`wsol_mm.models.refiners.Refiner.refine`."""
        facts: list[Facts] = [{} for _ in images]
        if score_maps.device.type != "cpu":
            return refine_batch(score_maps[:, None], images, self.settings)[:, 0], facts
        pictures = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
        refined = [
            refine_maps(score_map[None], picture, self.settings)
            for score_map, picture in zip(score_maps.numpy(), pictures, strict=True)
        ]
        return torch.from_numpy(np.concatenate(refined)), facts
