"""Speed of the package against the best direct alternatives, as ratios of one run."""

import wsol_mm  # noqa: F401 - before mmdet, which it gives operators where mmcv has none
