"""What redraws score maps with the colours of the image: on the fly or on saved maps."""

from wsol_mm.models.refiners.arm import ARM
from wsol_mm.models.refiners.dense_crf import DenseCRF
from wsol_mm.models.refiners.refiner import Refiner, build_refiners, refine, refine_samples
from wsol_mm.models.refiners.seed_sign import SeedSign
from wsol_mm.models.refiners.sgrm import SGRM

__all__ = [
    "ARM",
    "SGRM",
    "DenseCRF",
    "Refiner",
    "SeedSign",
    "build_refiners",
    "refine",
    "refine_samples",
]
