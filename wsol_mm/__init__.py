"""Weakly supervised object localization for OpenMMLab: boxes and masks from image labels.

Importing the package is instant and imports none of the toolboxes. ``wsol_mm.functional`` needs
numpy, numba, OpenCV and torch only; the registered classes are imported by the registries when a
config names one.
"""

from wsol_mm.version import __version__

__all__ = ["__version__"]
