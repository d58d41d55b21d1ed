"""Networks: what MMPretrain and MMDetection lack.

The parts that extend MMDetection are imported only where it can be: it needs mmcv's operators
(compiled, or the stand-in of ``wsol_mm.compat``), which localizers do not.
"""

from importlib.util import find_spec

import wsol_mm.engine.package_checkpoint  # noqa: F401 - configs name `package://` weights
from wsol_mm.models import backbones, classifiers, heads, layers, losses, refiners

__all__ = ["backbones", "classifiers", "heads", "layers", "losses", "refiners"]

if find_spec("mmdet") is not None and find_spec("mmcv._ext") is not None:
    from wsol_mm.models import dense_heads, detectors, roi_heads

    __all__ += ["dense_heads", "detectors", "roi_heads"]
