"""Weakly supervised object localization for OpenMMLab: boxes and masks from image labels.

Importing the package is instant and imports none of the toolboxes. ``wsol_mm.functional`` needs
numpy, numba, OpenCV and torch only; the registered classes are imported by the registries when a
config names one, and :class:`Localizer`, :func:`list_models` and :func:`get_model` when they are
used for the first time. It also lets mmdet find a stand-in for mmcv's compiled operators where
these are missing (:mod:`wsol_mm.compat`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wsol_mm import compat
from wsol_mm.version import __version__

if TYPE_CHECKING:
    from wsol_mm.apis.localizer import Localizer
    from wsol_mm.apis.model_zoo import get_model, list_models

__all__ = ["Localizer", "__version__", "get_model", "list_models"]

compat.install()

_LAZY = {"Localizer": "localizer", "get_model": "model_zoo", "list_models": "model_zoo"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'wsol_mm' has no attribute {name!r}")
    return getattr(import_module(f"wsol_mm.apis.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
