"""Affinity refinement as a registered part."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsol_mm.functional.arm import ARMSettings, refine_batch, refine_maps
from wsol_mm.models.refiners.refiner import Facts, Refiner
from wsol_mm.registry import MODELS


@MODELS.register_module()
class ARM(Refiner):
    """LCAR's affinity refinement module, Pan et al., AAAI 2023.

    One image after another on a CPU, the whole batch at once elsewhere.

    Args:
        **keys: Of :class:`wsol_mm.functional.arm.ARMSettings`: ``neighbours``, ``color_scale``,
            ``position_weight``, ``center_weight``, ``iterations``.

    Raises:
        TypeError: An unknown key.
        ValueError: A value out of range.
    """

    def __init__(self, **keys: Any) -> None:
        self.settings = ARMSettings(**keys)

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
