"""Transforms that keep the geometry needed to evaluate localization."""

from wsol_mm.datasets.transforms.box_crop import BoxCrop
from wsol_mm.datasets.transforms.fixed_views import FixedViews
from wsol_mm.datasets.transforms.formatting import PackWSOLInputs
from wsol_mm.datasets.transforms.geometric import CenterCrop, Pad, RandomCrop, RandomFlip, Resize
from wsol_mm.datasets.transforms.hide_and_seek import HideAndSeek
from wsol_mm.datasets.transforms.loading import LoadImage, LoadMasks
from wsol_mm.datasets.transforms.ranking_view import RankingView

__all__ = [
    "BoxCrop",
    "CenterCrop",
    "FixedViews",
    "HideAndSeek",
    "LoadImage",
    "LoadMasks",
    "PackWSOLInputs",
    "Pad",
    "RandomCrop",
    "RandomFlip",
    "RankingView",
    "Resize",
]
