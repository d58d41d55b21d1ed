"""RoIAlign and RoIPool, signatures of ``mmcv._ext``: results go into tensors the caller made.

Rois are (K, 5): index into the batch, then a box in pixels of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["roi_align_backward", "roi_align_forward", "roi_pool_backward", "roi_pool_forward"]

AVERAGE = 1


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Average of bilinear samples per bin, into ``output`` (K, C, height, width).

    Raises:
        RuntimeError: ``pool_mode`` is the maximum, which torchvision lacks.
    """
    if pool_mode != AVERAGE:
        raise RuntimeError(
            "mmcv operator roi_align: wsol_mm's stand-in averages only; set pool_mode='avg', or "
            "compile mmcv's operators (docs/installation.md)"
        )
    output.copy_(
        torch.ops.torchvision.roi_align(
            input,
            rois.to(input.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward` for its input (N, C, H, W), into ``grad_input``."""
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois.to(grad_output.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Maximum per bin into ``output``, its flat place into ``argmax`` (-1 and 0.0: empty bin).

    mmcv's box ends at ``(x2 + 1) * spatial_scale`` and is not rounded, unlike torchvision's, so
    the bins are looped over here: right, but slow beside the compiled operator.
    """
    output.zero_()
    argmax.fill_(-1)
    width = input.shape[3]
    x_edges = _bin_edges(rois[:, 1], rois[:, 3], spatial_scale, pooled_width, width)
    y_edges = _bin_edges(rois[:, 2], rois[:, 4], spatial_scale, pooled_height, input.shape[2])
    for k, image in enumerate(rois[:, 0].long().tolist()):
        for i, (top, bottom) in enumerate(y_edges[k]):
            for j, (left, right) in enumerate(x_edges[k]):
                if top >= bottom or left >= right:
                    continue
                crop = input[image, :, top:bottom, left:right]
                output[k, :, i, j], place = crop.flatten(1).max(1)
                row = torch.div(place, right - left, rounding_mode="floor")
                argmax[k, :, i, j] = (top + row) * width + left + place - row * (right - left)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Gradient of :func:`roi_pool_forward`, added to ``grad_input`` at the maxima."""
    count, channels = argmax.shape[:2]
    image = rois[:, 0].long().view(count, 1, 1, 1).expand(argmax.shape)
    channel = torch.arange(channels, device=argmax.device).view(1, -1, 1, 1).expand(argmax.shape)
    used = argmax >= 0
    place = (image[used], channel[used], argmax[used].long())
    grad_input.flatten(2).index_put_(place, grad_output[used], accumulate=True)


def _bin_edges(
    start: Tensor, end: Tensor, scale: float, bins: int, size: int
) -> list[list[list[int]]]:
    """First and one past the last pixel of every bin: (K, bins, 2); malformed boxes are empty."""
    start, end = start * scale, (end + 1) * scale
    step = ((end - start) / bins)[:, None]
    place = torch.arange(bins, device=start.device, dtype=start.dtype)
    first = (place * step + start[:, None]).floor().clamp(0, size)
    last = ((place + 1) * step + start[:, None]).ceil().clamp(0, size)
    last = torch.where(step > 0, last, first)
    return torch.stack([first, last], dim=-1).long().tolist()
