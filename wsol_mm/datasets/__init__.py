"""Data sets and transforms."""

from wsol_mm.datasets import quiet_import  # noqa: F401 - before any other import of it
from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.cub import CUB
from wsol_mm.datasets.custom import CocoWSOL, FolderWSOL
from wsol_mm.datasets.ilsvrc import ILSVRC
from wsol_mm.datasets.openimages30k import OpenImages30k
from wsol_mm.datasets.score_sampler import ScoreSampler
from wsol_mm.datasets.toy import ToyScenes
from wsol_mm.datasets.transforms import (
    CenterCrop,
    LoadImage,
    LoadMasks,
    PackWSOLInputs,
    RandomCrop,
    RandomFlip,
    Resize,
)

__all__ = [
    "CUB",
    "ILSVRC",
    "CenterCrop",
    "CocoWSOL",
    "FolderWSOL",
    "LoadImage",
    "LoadMasks",
    "OpenImages30k",
    "PackWSOLInputs",
    "RandomCrop",
    "RandomFlip",
    "Resize",
    "ScoreSampler",
    "ToyScenes",
    "WSOLDataset",
]
