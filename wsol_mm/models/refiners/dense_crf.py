"""The fully connected CRF as a registered part; needs a package that is an optional extra."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm.functional.cam import normalize_map, upsample_map
from wsol_mm.models.refiners.refiner import Facts, Refiner
from wsol_mm.registry import MODELS


@MODELS.register_module()
class DenseCRF(Refiner):
    """Fully connected CRF with two labels, Krähenbühl and Koltun, NeurIPS 2011, by pydensecrf.

    The map, normalised by min-max, is taken for the probability of the object. Runs on the CPU.

    Args:
        iterations: Mean-field steps.
        position_sigma: Pixels over which neighbours are smoothed, whatever their colour.
        position_weight: Weight of that.
        bilateral_sigma: Pixels over which pixels of like colour are smoothed.
        color_sigma: Difference of colours, of 255, that counts as alike.
        bilateral_weight: Weight of that.
        floor: Least probability of either label, in (0, 0.5).

    Raises:
        ImportError: pydensecrf is not installed.
        ValueError: A value out of range.
    """

    def __init__(
        self,
        iterations: int = 10,
        position_sigma: float = 3.0,
        position_weight: float = 3.0,
        bilateral_sigma: float = 80.0,
        color_sigma: float = 13.0,
        bilateral_weight: float = 10.0,
        floor: float = 0.05,
    ) -> None:
        try:
            from pydensecrf.densecrf import DenseCRF2D
        except ImportError as error:
            raise ImportError(
                "wsol_mm.DenseCRF needs pydensecrf: pip install pydensecrf2 (it compiles C++)"
            ) from error
        if iterations < 1 or not 0 < floor < 0.5:
            raise ValueError(
                f"DenseCRF: expected iterations >= 1 and floor in (0, 0.5), got {iterations}, "
                f"{floor}"
            )
        self.crf = DenseCRF2D
        self.iterations = iterations
        self.position = {"sxy": position_sigma, "compat": position_weight}
        self.bilateral = {
            "sxy": bilateral_sigma,
            "srgb": color_sigma,
            "compat": bilateral_weight,
        }
        self.floor = floor

    def refine(
        self, score_maps: Tensor, images: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, list[Facts]]:
        """See :meth:`wsol_mm.models.refiners.Refiner.refine`."""
        pictures = np.ascontiguousarray(images.permute(0, 2, 3, 1).cpu().numpy())
        refined = [
            self._refine(score_map, picture)
            for score_map, picture in zip(score_maps.cpu().numpy(), pictures, strict=True)
        ]
        return torch.from_numpy(np.stack(refined)).to(images.device), [{} for _ in images]

    def _refine(
        self, score_map: NDArray[np.float32], image: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        upsampled = normalize_map(upsample_map(score_map, (width, height)))
        if not upsampled.any():
            return np.zeros((height, width), np.float32)
        share = upsampled.clip(self.floor, 1 - self.floor).astype(np.float32).ravel()
        crf = self.crf(width, height, 2)
        crf.setUnaryEnergy(np.ascontiguousarray(-np.log([1 - share, share]), dtype=np.float32))
        crf.addPairwiseGaussian(**self.position)
        crf.addPairwiseBilateral(rgbim=image, **self.bilateral)
        posterior = np.asarray(crf.inference(self.iterations), dtype=np.float32)
        return posterior[1].reshape(height, width)
