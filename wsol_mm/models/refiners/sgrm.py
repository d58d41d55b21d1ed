"""Self-guided re-prediction as a registered part."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsol_mm.functional.sgrm import repredict_batch
from wsol_mm.functional.sgrm_labels import SGRM_PRESETS
from wsol_mm.models.refiners.refiner import Facts, Refiner
from wsol_mm.registry import MODELS


@MODELS.register_module()
class SGRM(Refiner):
    """LCAR's self-guided re-prediction module, Pan et al., AAAI 2023: maps become masks of 0 and 1.

    A network is trained for every image: seconds per image and core on a CPU, where
    ``tools/refine_maps.py`` uses all cores; elsewhere the networks of a batch train at once.
    ``train_scale=0.5`` is about four times as fast, and an approximation. ``mask='vote'``,
    ``stop='per_class'`` and ``pivot`` mend where the paper is silent or loose.

    Args:
        preset: Where settings come from that are not given: ``lcar``, the paper's, or ``narrow``,
            the vote and thresholds about a third of the map, where objects of a CNN's maps begin.
        batch: Networks that train at once on an accelerator.
        **keys: Of :class:`wsol_mm.functional.sgrm.SGRMSettings`.

    Raises:
        TypeError: An unknown key.
        ValueError: A value out of range, or an unknown preset.
    """

    def __init__(self, preset: str = "lcar", batch: int = 64, **keys: Any) -> None:
        if preset not in SGRM_PRESETS:
            raise ValueError(f"SGRM: preset must be one of {list(SGRM_PRESETS)}, got {preset!r}")
        if batch < 1:
            raise ValueError(f"SGRM: batch must be positive, got {batch}")
        self.batch = batch
        self.settings = replace(SGRM_PRESETS[preset], **keys)

    def refine(
        self, score_maps: Tensor, images: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, list[Facts]]:
        """See :meth:`wsol_mm.models.refiners.Refiner.refine`; the facts are how training ended."""
        size = 1 if images.device.type == "cpu" else self.batch
        maps = list(score_maps.cpu().numpy())
        pictures = list(np.ascontiguousarray(images.permute(0, 2, 3, 1).cpu().numpy()))
        results = []
        for first in range(0, len(maps), size):
            rows = slice(first, first + size)
            results += repredict_batch(maps[rows], pictures[rows], self.settings, images.device)
        masks = torch.from_numpy(np.stack([result.mask for result in results])).float()
        facts = [
            {
                "iterations": result.iterations,
                "error": result.error,
                "foreground_error": result.foreground_error,
                "background_error": result.background_error,
                "fallback": result.fallback,
            }
            for result in results
        ]
        return masks.to(images.device), facts
