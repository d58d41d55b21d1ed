"""A stand-in for mmcv's compiled operators, where mmcv was installed without them.

mmcv is pure Python but for the module ``mmcv._ext``. Without it ``import mmdet`` fails, though its
detectors need only a few of the operators, and torchvision has those. A finder at the very end of
``sys.meta_path`` answers for the name ``mmcv._ext`` and for no other. Python asks it last, so
compiled operators always win. ``WSOL_MMCV_STANDIN=0`` in the environment switches it off.

``import wsol_mm`` installs the finder. For ``import mmdet`` alone a start-up file of one line,
``wsol_mm_operators.pth`` in site-packages, does the same; the wheel and ``setup_env.sh`` bring it.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

__all__ = ["OperatorFinder", "install"]

HERE = os.path.dirname(__file__)  # noqa: PTH120 - pathlib would triple the cost of `import wsol_mm`


class OperatorFinder:
    """Last entry of ``sys.meta_path``; finds ``mmcv._ext`` in ``mmcv_ext.py`` of this folder."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Spec of the stand-in; None for other names, for mmcv-lite and when switched off."""
        if name != "mmcv._ext" or os.environ.get("WSOL_MMCV_STANDIN") == "0":
            return None
        if not any(os.path.isdir(f"{folder}/ops") for folder in path or ()):  # noqa: PTH112
            return None
        return importlib.util.spec_from_file_location(name, f"{HERE}/mmcv_ext.py")


def install() -> None:
    """Put the finder at the end of ``sys.meta_path``, once."""
    if OperatorFinder not in sys.meta_path:
        sys.meta_path.append(OperatorFinder)
