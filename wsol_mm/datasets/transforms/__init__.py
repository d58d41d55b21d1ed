"""Transforms that keep the geometry needed to evaluate localization."""

from wsol_mm.datasets.transforms.formatting import PackWSOLInputs
from wsol_mm.datasets.transforms.geometric import CenterCrop, RandomCrop, RandomFlip, Resize
from wsol_mm.datasets.transforms.loading import LoadMasks

__all__ = ["CenterCrop", "LoadMasks", "PackWSOLInputs", "RandomCrop", "RandomFlip", "Resize"]
