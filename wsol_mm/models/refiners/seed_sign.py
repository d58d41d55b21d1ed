"""The choice of the object's side as a registered part."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wsol_mm.functional.sd_cam import orientations, seed_regions
from wsol_mm.models.refiners.refiner import Facts, Refiner
from wsol_mm.registry import MODELS


@MODELS.register_module()
class SeedSign(Refiner):
    """Which side of a map is the object, LCAR, Pan et al., AAAI 2023, eq. 10 and 11.

    Stands behind ARM, which redraws the two sides: they part at the map's mean, and the one of
    which the class's seed region covers the larger share becomes the high one. Where shares are
    equal, and for images without a seed (of localizers other than ``wsol_mm.SDCAMHead``, and of
    that one with ``sign='token'``), the map keeps its sign.

    Args:
        threshold: Cut of the class map (``beta``), of its range.

    Raises:
        ValueError: A threshold outside [0, 1).
    """

    def __init__(self, threshold: float = 0.6) -> None:
        if not 0 <= threshold < 1:
            raise ValueError(f"SeedSign: threshold must lie in [0, 1), got {threshold}")
        self.threshold = threshold

    def refine(
        self, score_maps: Tensor, images: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, list[Facts]]:
        """See :meth:`wsol_mm.models.refiners.Refiner.refine`.

        The facts say whether there was a ``seed``, and whether the map was ``turned``.
        """
        if seeds is None:
            seeds = torch.full_like(score_maps, torch.nan)
        # Doubles: a mean rounded in another order must not move a pixel to the other side.
        size = tuple(images.shape[-2:])
        maps, classes = (
            F.interpolate(m[:, None].double(), size=size, mode="bilinear", align_corners=False)
            for m in (score_maps, seeds)
        )
        low, high = (end(dim=(2, 3), keepdim=True) for end in (maps.amin, maps.amax))
        maps = (maps - low) / torch.where(high > low, high - low, 1.0)
        turned = orientations(maps, classes, self.threshold)[:, 0] < 0
        seeded = seed_regions(classes[:, 0], self.threshold).flatten(1).any(dim=1)
        maps = torch.where(turned[:, None, None], 1 - maps[:, 0], maps[:, 0])
        facts = zip(seeded.tolist(), turned.tolist(), strict=True)
        return maps.float(), [{"seed": seed, "turned": turn} for seed, turn in facts]
