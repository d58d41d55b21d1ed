"""Toy scenes: small procedural images that hold the problems WSOL methods claim to solve.

A scene is a *body* that every class shares, with a small class-telling *part* on it, in front of a
*context* texture that co-occurs with the class. An image classifier can succeed by looking at the
part, or at the context; a localizer has to find the whole body. Each problem has a dial
(`SceneDials`), and the true boxes and masks come with the image.
"""

from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_SUPERSAMPLING: Final = 4
_PLACING_TRIES: Final = 40
_SMALLEST_RADIUS: Final = 3.0


@dataclass(frozen=True)
class SceneDials:
    """What a toy scene contains.

    Args:
        size: Width and height of the image in pixels, at least 32.
        classes: Number of classes, 2 to 12.
        context_rho: Probability that the context texture is the one of the image's class;
            otherwise it is one of the other classes'.
        part_size: Diameter of the class-telling part, relative to the diameter of a disc with the
            body's area.
        body_colour: Probability that the body shows the class colour; otherwise it is drab.
        objects: Largest number of objects; a scene has 1 to `objects`, as far as they fit.
        box_noise: Share of the pseudo boxes that are wrong (see `noisy_boxes`).

    Raises:
        ValueError: When a dial is out of its range; the message names it.

    Example:
        >>> SceneDials(part_size=0.3).size
        96
    """

    size: int = 96
    classes: int = 6
    context_rho: float = 0.5
    part_size: float = 0.5
    body_colour: float = 0.6
    objects: int = 1
    box_noise: float = 0.3

    def __post_init__(self) -> None:
        ranges = {
            "size": (32, 1024),
            "classes": (2, 12),
            "context_rho": (0.0, 1.0),
            "part_size": (0.05, 1.0),
            "body_colour": (0.0, 1.0),
            "objects": (1, 9),
            "box_noise": (0.0, 1.0),
        }
        for field in fields(self):
            low, high = ranges[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(
                    f"toy scenes: {field.name} must be in [{low}, {high}], got {value}"
                )


@dataclass(frozen=True)
class Scene:
    """One drawn scene.

    Attributes:
        image: uint8 (size, size, 3), BGR.
        masks: bool (n, size, size), one for each object (body with part).
        boxes: float64 (n, 4), `x0, y0, x1, y1` in pixels, exclusive end: the extent of each mask.
        part_boxes: float64 (n, 4), the same for the class-telling parts.
        context: Class whose context texture was drawn.
    """

    image: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.float64]
    part_boxes: npt.NDArray[np.float64]
    context: int


def draw_scene(label: int, dials: SceneDials, rng: np.random.Generator) -> Scene:
    """Draw one scene of a class.

    Args:
        label: Class index, 0-based, below `dials.classes`.
        dials: What the scene contains.
        rng: Source of all randomness: the same state gives the same scene.

    Returns:
        The image with its truth.

    Raises:
        ValueError: When `label` is out of range.

    Example:
        >>> scene = draw_scene(2, SceneDials(), np.random.default_rng(0))
        >>> scene.image.shape, scene.boxes.shape
        ((96, 96, 3), (1, 4))
    """
    if not 0 <= label < dials.classes:
        raise ValueError(f"toy scenes: label must be in [0, {dials.classes}), got {label}")
    context = label
    if rng.random() >= dials.context_rho:
        context = int((label + rng.integers(1, dials.classes)) % dials.classes)
    image = _context_texture(context, dials, rng)
    wanted = int(rng.integers(1, dials.objects + 1))
    masks: list[npt.NDArray[np.bool_]] = []
    part_boxes: list[npt.NDArray[np.float64]] = []
    for _ in range(_PLACING_TRIES):
        if len(masks) == wanted:
            break
        outline, centre, axis, radius = _body_outline(dials.size, wanted, rng)
        body = _coverage(outline, dials.size)
        if any((mask & (body > 0)).any() for mask in masks):
            continue
        coloured = rng.random() < dials.body_colour
        image = _blend(image, _body_texture(label, coloured, dials, rng), body)
        side = 1.0 if rng.random() < 0.5 else -1.0
        middle = centre + side * rng.uniform(0.35, 0.6) * axis
        part_radius = max(dials.part_size * radius, 1.5)
        part = np.minimum(_coverage(_circle(middle, part_radius), dials.size), body)
        image = _blend(image, _part_texture(label, middle, part_radius, dials, rng), part)
        masks.append(body >= 0.5)
        part_boxes.append(_extent(part >= min(0.5, float(part.max()))))
    noise = rng.normal(0.0, 0.02, image.shape)
    pixels = np.clip((image + noise) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Scene(
        image=pixels,
        masks=np.stack(masks),
        boxes=np.stack([_extent(mask) for mask in masks]),
        part_boxes=np.stack(part_boxes),
        context=context,
    )


def noisy_boxes(
    scene: Scene, dials: SceneDials, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Imitate the pseudo boxes of a localizer: right up to a small jitter, or wrong.

    A share `dials.box_noise` of the boxes is wrong in one of three ways that localizers show: only
    the part, the object with much of its context, or a box moved off the object.

    Args:
        scene: A drawn scene with n objects.
        dials: Only `size` and `box_noise` are read.
        rng: Source of all randomness.

    Returns:
        float64 (n, 4), `x0, y0, x1, y1`, exclusive end, inside the image, at least 2 px wide.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> scene = draw_scene(0, SceneDials(), rng)
        >>> noisy_boxes(scene, SceneDials(box_noise=0), rng).shape
        (1, 4)
    """
    size = dials.size
    result = []
    for box, part in zip(scene.boxes, scene.part_boxes, strict=True):
        extent = np.tile(box[2:] - box[:2], 2)
        if rng.random() >= dials.box_noise:
            wrong = box + rng.normal(0.0, 0.03, 4) * extent
        else:
            kind = rng.integers(3)
            if kind == 0:
                wrong = part + np.array([-1.0, -1.0, 1.0, 1.0]) * rng.uniform(0.0, 3.0)
            elif kind == 1:
                wrong = box + np.array([-1.0, -1.0, 1.0, 1.0]) * rng.uniform(0.2, 0.6) * extent
            else:
                wrong = box + np.tile(rng.choice([-1.0, 1.0], 2), 2) * 0.5 * extent
        start = np.clip(wrong[:2], 0.0, size - 2.0)
        end = np.clip(np.maximum(wrong[2:], start + 2.0), 2.0, size)
        result.append(np.concatenate([start, end]))
    return np.stack(result)


def _body_outline(
    size: int, objects: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return a closed outline (m, 2) inside the image, its centre, long half axis and radius."""
    for _ in range(1000):
        area = rng.uniform(0.04, 0.34) / objects
        radius = max(size * float(np.sqrt(area / np.pi)), _SMALLEST_RADIUS)
        stretch = float(np.exp(rng.uniform(0.0, 0.55)))
        turn = rng.uniform(0.0, np.pi)
        angle = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
        wave = np.ones_like(angle)
        for k in (2, 3, 4):
            wave += rng.uniform(0.0, 0.22 / k) * np.cos(k * angle + rng.uniform(0.0, 2.0 * np.pi))
        local = (
            radius
            * wave[:, None]
            * np.stack([stretch * np.cos(angle), np.sin(angle) / stretch], axis=1)
        )
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points = local @ rotation
        low, high = 1.0 - points.min(axis=0), size - 1.0 - points.max(axis=0)
        if (low < high).all():
            centre = rng.uniform(low, high)
            axis = np.array([radius * stretch, 0.0]) @ rotation
            return points + centre, centre, axis, radius
    raise AssertionError("unreachable: small bodies always fit")


def _circle(centre: npt.NDArray[np.float64], radius: float) -> npt.NDArray[np.float64]:
    """Return the outline (48, 2) of a disc."""
    angle = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _coverage(outline: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Return the share (size, size) of each pixel that a polygon covers."""
    fine = np.zeros((size * _SUPERSAMPLING, size * _SUPERSAMPLING), np.uint8)
    points = np.round(outline * _SUPERSAMPLING - 0.5).astype(np.int32)
    cv2.fillPoly(fine, [points], (1,))
    blocks = fine.reshape(size, _SUPERSAMPLING, size, _SUPERSAMPLING)
    share: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return share


def _extent(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the box of a mask, exclusive end."""
    rows, columns = np.nonzero(mask)
    return np.array(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=np.float64
    )


def _blend(
    below: npt.NDArray[np.float64], above: npt.NDArray[np.float64], alpha: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return `above` laid over `below` where `alpha` is 1."""
    return below + (above - below) * alpha[:, :, None]


def _colour(hue: float, saturation: float, value: float) -> npt.NDArray[np.float64]:
    """Return the BGR colour in [0, 1] of a hue in [0, 1) turns."""
    pixel = np.array([[[hue % 1.0 * 360.0, saturation, value]]], np.float32)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0], np.float64)


def _smooth_noise(size: int, cells: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return value noise (size, size) in about [-1, 1] with `cells` blobs across."""
    coarse = rng.uniform(-1.0, 1.0, (cells + 2, cells + 2)).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return fine.astype(np.float64)


def _stripes(size: int, turn: float, period: float, phase: float) -> npt.NDArray[np.float64]:
    """Return a sine grating (size, size) in [-1, 1]."""
    y, x = np.mgrid[0:size, 0:size]
    along = x * np.cos(turn) + y * np.sin(turn)
    wave: npt.NDArray[np.float64] = np.sin(2.0 * np.pi * along / period + phase)
    return wave


def _context_texture(
    context: int, dials: SceneDials, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the background (size, size, 3) in [0, 1] of one class's context."""
    size = dials.size
    hue = (context + 0.5) / dials.classes + rng.uniform(-0.03, 0.03)
    value = rng.uniform(0.35, 0.75)
    first = _colour(hue, rng.uniform(0.2, 0.45), value)
    second = _colour(hue + 0.06, rng.uniform(0.1, 0.35), value * rng.uniform(0.55, 0.8))
    kind = context % 3
    if kind == 0:
        pattern = _smooth_noise(size, 12, rng)
    elif kind == 1:
        turn = np.pi * context / dials.classes + rng.uniform(-0.2, 0.2)
        pattern = _stripes(size, turn, size / rng.uniform(8.0, 12.0), rng.uniform(0.0, 6.3))
        pattern = pattern + 0.5 * _smooth_noise(size, 8, rng)
    else:
        turn = rng.uniform(0.0, np.pi)
        period = size / rng.uniform(7.0, 10.0)
        pattern = (
            1.5 * _stripes(size, turn, period, 0.0) * _stripes(size, turn + np.pi / 2, period, 0.0)
        )
    mix = np.clip(0.5 + 0.5 * pattern, 0.0, 1.0)[:, :, None]
    shade = 1.0 + 0.2 * _smooth_noise(size, 2, rng)
    return (first * mix + second * (1.0 - mix)) * shade[:, :, None]


def _body_texture(
    label: int, coloured: bool, dials: SceneDials, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the body's surface (size, size, 3): class-shared, tinted when `coloured`."""
    size = dials.size
    value = rng.uniform(0.4, 0.8)
    if coloured:
        hue = label / dials.classes + rng.uniform(-0.02, 0.02)
        base = _colour(hue, rng.uniform(0.35, 0.6), value)
    else:
        base = _colour(rng.uniform(0.05, 0.12), rng.uniform(0.05, 0.25), value)
    speckle = 0.16 * _smooth_noise(size, size // 4, rng) + 0.15 * _smooth_noise(size, 3, rng)
    return base * (1.0 + speckle)[:, :, None]


def _part_texture(
    label: int,
    centre: npt.NDArray[np.float64],
    radius: float,
    dials: SceneDials,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return the part's surface (size, size, 3): rings in the class colour around a dark eye."""
    y, x = np.mgrid[0 : dials.size, 0 : dials.size] + 0.5
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    hue = label / dials.classes + rng.uniform(-0.02, 0.02)
    bright = _colour(hue, rng.uniform(0.85, 1.0), rng.uniform(0.85, 1.0))
    dark = bright * 0.15
    ring = np.clip((distance - 0.3) / 0.15, 0.0, 1.0)[:, :, None]
    return _blend(np.broadcast_to(dark, (*ring.shape[:2], 3)), bright, ring[:, :, 0])
