"""The module that Python loads under the name ``mmcv._ext``: operators by name.

``mmcv._ext.__file__`` is this file. Whatever is not imported here raises when it is called.
"""

from collections.abc import Callable
from typing import NoReturn

import torchvision  # noqa: F401 - registers torch.ops.torchvision

from wsol_mm.compat.attention import ms_deform_attn_backward, ms_deform_attn_forward
from wsol_mm.compat.boxes import bbox_overlaps, nms, nms_match, softnms
from wsol_mm.compat.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from wsol_mm.compat.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from wsol_mm.compat.rois import (
    roi_align_backward,
    roi_align_forward,
    roi_pool_backward,
    roi_pool_forward,
)

__all__ = [
    "bbox_overlaps",
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "get_compiler_version",
    "get_compiling_cuda_version",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "ms_deform_attn_backward",
    "ms_deform_attn_forward",
    "nms",
    "nms_match",
    "roi_align_backward",
    "roi_align_forward",
    "roi_pool_backward",
    "roi_pool_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softmax_focal_loss_backward",
    "softmax_focal_loss_forward",
    "softnms",
]

COMPILE = (
    "pip install --no-cache-dir --no-build-isolation --force-reinstall --no-deps onedl-mmcv "
    "(in a clone: WSOL_COMPILE_OPS=1 make env)"
)


def get_compiler_version() -> str:
    """What mmengine's log of the environment prints as the compiler."""
    return "not compiled: stand-in of wsol_mm.compat"


def get_compiling_cuda_version() -> str:
    """What mmengine's log of the environment prints as the CUDA version."""
    return "not compiled"


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """A function that says how to get operator ``name``; mmcv looks names up on import."""
    if name.startswith("_"):
        raise AttributeError(name)

    def missing(*args: object, **kwargs: object) -> NoReturn:
        raise RuntimeError(f"mmcv operator {name}: wsol_mm's stand-in lacks it; compile: {COMPILE}")

    return missing
