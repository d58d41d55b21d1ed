"""Affinity refinement (ARM): a score map drawn towards the colours of its image.

Coarse2Fine (LCAR), Pan et al., AAAI 2023, eq. 7 to 9. Every pixel becomes, over and over, a mix of
itself and its neighbours, weighted by how alike their colours are. The weights depend on the image
alone: they are computed once and serve all iterations and all maps of the image.

The paper's weights sum to ``1 + w_p``, so that its map grows in every iteration. Here they are
divided by that sum. The map after the final min-max is the same, since growth by one factor drops
out of it, and each iteration is a convex combination: values stay in range and a constant map
stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wsol_mm.functional.arm_passes import EPS, fill_affinity, sweep

__all__ = [
    "ARM_PRESETS",
    "NEIGHBOURHOODS",
    "ARMSettings",
    "ColorDistance",
    "affinity",
    "neighbour_offsets",
    "refine_batch",
    "refine_maps",
]

Floats = NDArray[np.float32]
ColorDistance = Literal["channel", "vector"]

# Number of neighbours -> distances at which the eight directions are looked at. 8 is the paper's
# text; 48 is the code of Ru et al., CVPR 2022 (AFA), which the paper builds on.
NEIGHBOURHOODS: dict[int, tuple[int, ...]] = {8: (1,), 48: (1, 2, 4, 8, 12, 24)}


@dataclass(frozen=True)
class ARMSettings:
    """What decides the result. The paper names ``w_p``, ``eta`` and the iterations.

    The defaults of the rest are those of the code of Ru et al., CVPR 2022 (AFA), which the paper
    builds on; :data:`ARM_PRESETS` has the paper's equations as printed under ``lcar``.

    Attributes:
        neighbours: 8 or 48, see :data:`NEIGHBOURHOODS`.
        color_scale: Scale of the colour kernel, smaller is more selective. The paper's formula has
            none (it is 1); AFA's code has 0.3, without which the weights are nearly uniform.
        position_weight: Share of nearness in the weights (``w_p``).
        center_weight: What a pixel keeps of itself in an iteration (``eta``).
        iterations: Sweeps over the map.
        position_scale: Scale of the position kernel; 0.3 in AFA's code too, 1 in the formula.
        color_distance: ``channel`` divides each channel's difference by that channel's deviation
            and takes the mean of the squares (AFA); ``vector`` divides the length of the difference
            by one deviation, the root of the channels' summed variances (eq. 7).
    """

    neighbours: int = 48
    color_scale: float = 0.3
    position_weight: float = 0.01
    center_weight: float = 0.1
    iterations: int = 50
    position_scale: float = 0.3
    color_distance: ColorDistance = "channel"

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        neighbour_offsets(self.neighbours)
        for key in ("color_scale", "position_scale"):
            if not getattr(self, key) > 0:
                raise ValueError(f"ARM: {key} must be positive, got {getattr(self, key)}")
        if self.color_distance not in get_args(ColorDistance):
            raise ValueError(
                f"ARM: color_distance must be one of {get_args(ColorDistance)}, got "
                f"{self.color_distance!r}"
            )
        if not self.position_weight >= 0:
            raise ValueError(
                f"ARM: position_weight must not be negative, got {self.position_weight}"
            )
        if not 0 <= self.center_weight <= 1:
            raise ValueError(f"ARM: center_weight must lie in [0, 1], got {self.center_weight}")
        if self.iterations < 0:
            raise ValueError(f"ARM: iterations must not be negative, got {self.iterations}")

    @property
    def center(self) -> float:
        """``center_weight`` once the whole operator is divided by its sum."""
        rest = (1 - self.center_weight) * (1 + self.position_weight)
        return self.center_weight / (self.center_weight + rest)


def neighbour_offsets(neighbours: int = 48) -> NDArray[np.int64]:
    """Steps to the neighbours: the eight directions at each distance.

    Args:
        neighbours: 8 or 48.

    Returns:
        (neighbours, 2) int64 (dy, dx).

    Raises:
        ValueError: Another number of neighbours.

    Examples:
        >>> neighbour_offsets(8)[:3].tolist(), len(neighbour_offsets(48))
        ([[-1, -1], [-1, 0], [-1, 1]], 48)
    """
    if neighbours not in NEIGHBOURHOODS:
        raise ValueError(f"neighbours must be one of {list(NEIGHBOURHOODS)}, got {neighbours}")
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    return np.array(
        [(d * dy, d * dx) for d in NEIGHBOURHOODS[neighbours] for dy, dx in around], np.int64
    )


# Named settings: the code of AFA, and eq. 7 and 8 as printed (eight neighbours, no scales).
ARM_PRESETS: dict[str, ARMSettings] = {
    "afa": ARMSettings(),
    "lcar": ARMSettings(neighbours=8, color_scale=1.0, position_scale=1.0, color_distance="vector"),
}


def affinity(image: NDArray[np.uint8], settings: ARMSettings | None = None) -> Floats:
    """Weights of every pixel's neighbours.

    With ``d`` the distance of two colours in one channel and ``s`` the standard deviation of the
    neighbours' values there, a neighbour's weight is the softmax over the neighbours of the mean
    over channels of ``-(d / s / color_scale)^2``, plus ``position_weight`` times the like of its
    distance in pixels with ``position_scale``, divided by ``1 + position_weight``. With
    ``color_distance="vector"`` sums over channels of ``d^2`` and ``s^2`` take the place of both
    squares, and no mean is taken. Beyond the border the nearest pixel counts.

    Args:
        image: (H, W, 3) uint8.
        settings: Defaults if None.

    Returns:
        (H, neighbours, W) float32, not negative, sums of 1 over the neighbours.

    Raises:
        ValueError: An image of another shape or type.

    Examples:
        >>> weights = affinity(np.zeros((2, 3, 3), np.uint8), ARMSettings(8, position_weight=0))
        >>> weights.shape, float(weights[0, 0, 0])
        ((2, 8, 3), 0.125)
    """
    settings = settings or ARMSettings()
    offsets = neighbour_offsets(settings.neighbours)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected a uint8 image (H, W, 3), got {image.dtype} {image.shape}")
    reach = int(offsets.max())
    pad = ((reach, reach), (reach, reach), (0, 0))
    padded = np.pad(image, pad, mode="edge").transpose(2, 0, 1).astype(np.float32)
    near = _nearness(offsets, settings)
    out = np.empty((image.shape[0], len(offsets), image.shape[1]), np.float32)
    joint = settings.color_distance == "vector"
    fill_affinity(padded, offsets, reach, np.float32(settings.color_scale), joint, near, out)
    return out


def refine_maps(
    score_maps: NDArray[np.floating],
    image: NDArray[np.uint8],
    settings: ARMSettings | None = None,
) -> Floats:
    """Refine the maps of one image, on the CPU and on one thread.

    Args:
        score_maps: (k, h, w) raw maps of any size; brought to the image's by bilinear
            interpolation and to [0, 1] by min-max, each for itself.
        image: (H, W, 3) uint8 that the maps lie over.
        settings: Defaults if None.

    Returns:
        (k, H, W) float32, from 0 to 1; all zeros for a constant map.

    Raises:
        ValueError: A wrong shape or type, or a map with NaN or infinity.

    Examples:
        >>> image = np.zeros((4, 6, 3), np.uint8)
        >>> image[:, 3:] = 200  # the object ends with the fourth column; the map is one too wide
        >>> score_map = np.zeros((1, 4, 6))
        >>> score_map[..., 2:] = 1.0
        >>> refined = refine_maps(score_map, image, ARMSettings(neighbours=8))[0]
        >>> bool(refined[0, 2] < 0.2), bool(refined[0, 3] > 0.8)
        (True, True)
    """
    settings = settings or ARMSettings()
    if score_maps.ndim != 3 or score_maps.size == 0:
        raise ValueError(f"expected maps (k, h, w), got shape {score_maps.shape}")
    if not np.isfinite(score_maps).all():
        raise ValueError("the maps hold NaN or infinite values; they cannot be refined")
    weights = affinity(image, settings)
    height, width = image.shape[:2]
    maps = np.stack([_minmax(_resize(m, (width, height))) for m in score_maps])
    offsets = neighbour_offsets(settings.neighbours)
    reach = int(offsets.max())
    pad = ((0, 0), (reach, reach), (reach, reach))
    padded = np.pad(maps, pad, mode="edge")
    other = np.empty_like(padded)
    for _ in range(settings.iterations):
        sweep(padded, weights, offsets, reach, np.float32(settings.center), other)
        padded, other = other, padded
    inner = padded[:, reach : reach + height, reach : reach + width]
    return np.stack([_minmax(m) for m in inner])


def refine_batch(
    score_maps: Tensor,
    images: Tensor,
    settings: ARMSettings | None = None,
) -> Tensor:
    """:func:`refine_maps` in torch for a batch of images, for accelerators.

    On CUDA a sweep is compiled into one kernel. Same arguments, result equal up to rounding.

    Args:
        score_maps: (B, k, h, w) floating.
        images: (B, 3, H, W) uint8, on the same device.
        settings: Defaults if None.

    Returns:
        (B, k, H, W) float32 in [0, 1].

    Raises:
        ValueError: As :func:`refine_maps`, but for NaN, which makes a map of NaN.
    """
    settings = settings or ARMSettings()
    if score_maps.dim() != 4 or images.dim() != 4 or len(score_maps) != len(images):
        raise ValueError(
            f"expected maps (B, k, h, w) and images (B, 3, H, W), got "
            f"{tuple(score_maps.shape)} and {tuple(images.shape)}"
        )
    offsets = neighbour_offsets(settings.neighbours)
    steps = [(int(dy), int(dx)) for dy, dx in offsets]
    reach = int(offsets.max())
    size = (int(images.shape[2]), int(images.shape[3]))
    padded = _replicate(images.float(), reach)
    total = images.new_zeros((len(images), len(steps), *size), dtype=torch.float32)
    variance = total.new_zeros((len(images), 1, *size))
    for channel in range(images.shape[1]):
        around = torch.stack([_shift(padded[:, channel], reach, s, size) for s in steps], dim=1)
        distance = around - images[:, channel, None].float()
        if settings.color_distance == "vector":
            total -= distance.square()
            variance += around.var(dim=1, keepdim=True)
        else:
            spread = around.std(dim=1, keepdim=True) + EPS
            total -= (distance / spread / settings.color_scale).square() / images.shape[1]
    if settings.color_distance == "vector":
        total /= ((variance.sqrt() + EPS) * settings.color_scale).square()
    near = torch.from_numpy(_nearness(offsets, settings)).to(total)
    weights = total.softmax(dim=1) / (1 + settings.position_weight) + near[:, None, None]
    maps = F.interpolate(score_maps.float(), size=size, mode="bilinear", align_corners=False)
    maps = _minmax_batch(maps)
    update = torch.compile(_sweep_batch) if maps.is_cuda else _sweep_batch
    for _ in range(settings.iterations):
        maps = update(_replicate(maps, reach), weights, steps, reach, settings.center)
    return _minmax_batch(maps)


def _sweep_batch(
    padded: Tensor, weights: Tensor, steps: list[tuple[int, int]], reach: int, center: float
) -> Tensor:
    size = (weights.shape[2], weights.shape[3])
    total = center * _shift(padded, reach, (0, 0), size)
    for n, step in enumerate(steps):
        total = total + (1 - center) * weights[:, n, None] * _shift(padded, reach, step, size)
    return total


def _shift(padded: Tensor, reach: int, step: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """View of the neighbours one step away."""
    top, left = reach + step[0], reach + step[1]
    return padded[..., top : top + size[0], left : left + size[1]]


def _replicate(maps: Tensor, reach: int) -> Tensor:
    return F.pad(maps, (reach, reach, reach, reach), mode="replicate")


def _nearness(offsets: NDArray[np.int64], settings: ARMSettings) -> Floats:
    """The position kernel's part of the weights: the same for every pixel."""
    weight = settings.position_weight
    distance = np.linalg.norm(offsets, axis=1)
    kernel = -((distance / (distance.std(ddof=1) + EPS) / settings.position_scale) ** 2)
    kernel = np.exp(kernel - kernel.max())
    return np.asarray(weight / (1 + weight) * kernel / kernel.sum(), dtype=np.float32)


def _resize(score_map: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    values = score_map.astype(np.float64)
    if values.min() == values.max():  # interpolation would give it contrast by rounding
        return np.zeros(size[::-1])
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def _minmax(score_map: NDArray[np.floating]) -> Floats:
    low, high = score_map.min(), score_map.max()
    if low == high:
        return np.zeros(score_map.shape, np.float32)
    return np.asarray((score_map - low) / (high - low), dtype=np.float32)


def _minmax_batch(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, 1.0)
