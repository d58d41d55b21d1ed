"""Pixels of any image file or array: what a viewer shows, with 8 bits.

One rule for data sets and for photographs: EXIF orientation is obeyed, so boxes and listed sizes
are in the frame that a viewer shows; transparency is composed on white; what has more than 8 bits
is scaled by the smallest of 10, 12, 14 and 16 bits that holds its maximum.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from mmengine import fileio
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

_BITS = (8, 10, 12, 14, 16)
_TURNED = range(2, 9)
_JPEG = b"\xff\xd8"
_HEAD = 1 << 16  # bytes that hold the EXIF block of a JPEG

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """An image file as pixels.

    Attributes:
        bgr: (H, W, 3) uint8, as a viewer shows it.
        turned: Whether its EXIF tag turned or mirrored it.
        bits: Of its values, 8 or what :func:`deep_bits` says.
    """

    bgr: Pixels
    turned: bool
    bits: int


def decode_image(path: str | os.PathLike[str]) -> Decoded:
    """Read an image file; plain ones give OpenCV's pixels, those of MMCV's loader.

    Args:
        path: The file, or an address that mmengine's file backends read.

    Raises:
        ValueError: The file is missing, not an image or damaged; the message names it.
    """
    try:
        data = fileio.get(str(path))
    except (OSError, FileNotFoundError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    turned = _orientation(data) in _TURNED
    # OpenCV drops alpha, and which tags of PNG, TIFF and WebP it obeys depends on its version.
    by_pillow = _transparent(data) or (turned and data[:2] != _JPEG)
    image = None if by_pillow else _opencv(data)
    if image is None:
        return Decoded(np.ascontiguousarray(read_image(path)[..., ::-1]), turned, 8)
    bits = deep_bits(image) if image.dtype != np.uint8 else 8
    return Decoded(np.ascontiguousarray(to_uint8(image, str(path))), turned, bits)


def _opencv(data: bytes) -> NDArray[Any] | None:
    if not data:
        return None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # more pixels than OpenCV allows
        return None
    plain = image is not None and image.dtype in (np.uint8, np.uint16)
    return image if plain else None


def _orientation(data: bytes) -> int:
    """EXIF orientation of a file; 1 where it has none."""
    if data[:2] == _JPEG:
        tagged = b"Exif" in data[:_HEAD]
    else:
        tagged = data[:2] in (b"II", b"MM") or b"eXIf" in data or b"EXIF" in data
    if not tagged:
        return 1
    try:
        with Image.open(BytesIO(data)) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 1  # said where it is decoded


def _transparent(data: bytes) -> bool:
    """Whether a PNG or WebP has alpha, which OpenCV would drop."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return data[25:26] in (b"\x04", b"\x06") or b"tRNS" in data[: data.find(b"IDAT")]
    return (data[8:16] == b"WEBPVP8X" and bool(data[20] & 0x10)) or data[8:16] == b"WEBPVP8L"


def read_image(path: str | os.PathLike[str]) -> Pixels:
    """Read a photograph as a viewer shows it.

    EXIF orientation is obeyed, transparency composed on white, any mode (grey, palette, CMYK,
    16 bit) becomes RGB; of an animation the first frame is read. What has more than 8 bits is
    scaled by the smallest of 10, 12, 14 and 16 bits that holds its maximum.

    Args:
        path: The file.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ValueError: The file is not an image or is damaged; the message names it.
    """
    try:
        with Image.open(path) as image:
            if image.mode in ("RGB", "RGBA") and ";16" in str(image.tile):
                return _deep_colours(path, image)
            return pil_to_rgb(image, str(path))
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not an image, or a damaged one") from None
    except Image.DecompressionBombError:
        raise ValueError(
            f"{path}: more than {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels; make it "
            "smaller, or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from None
    except (OSError, SyntaxError) as error:  # Pillow's PNG reader raises the latter
        if isinstance(error, FileNotFoundError):
            raise ValueError(f"{path}: no such file") from None
        raise ValueError(f"{path}: damaged image ({error})") from None


def _deep_colours(path: str | os.PathLike[str], image: Image.Image) -> Pixels:
    """16 bits for each colour, of which Pillow keeps the upper 8: 12-bit data would be black."""
    array = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if array is None:
        return pil_to_rgb(image, str(path))
    picture = Image.fromarray(array_to_rgb(array, str(path)))
    picture.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return pil_to_rgb(picture, str(path))


def pil_to_rgb(image: Image.Image, name: str) -> Pixels:
    """A PIL image of any mode as (H, W, 3) RGB, turned as its EXIF tag says."""
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return _grey_to_rgb(np.asarray(image), name)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def array_to_rgb(array: NDArray[Any], name: str = "array") -> Pixels:
    """An array as RGB.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); colours in OpenCV's order, BGR or BGRA, as
            everywhere in MMPretrain and MMDetection. uint8, uint16 (see :func:`read_image`), bool,
            or floats in [0, 1].
        name: For messages.

    Returns:
        (H, W, 3) uint8, RGB; alpha is composed on white.

    Raises:
        ValueError: Another shape, or floats outside [0, 1].

    Example:
        >>> array_to_rgb(np.array([[[255, 0, 0]]], np.uint8)).tolist()
        [[[0, 0, 255]]]
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"{name}: expected an image of shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}"
        )
    values = to_uint8(array, name)
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 4:
        alpha = values[..., 3:].astype(np.float32) / 255
        values = np.rint(values[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(values[..., ::-1])


def _grey_to_rgb(array: NDArray[Any], name: str) -> Pixels:
    """Modes of 16 and 32 bits; floats above 1 count as whole numbers."""
    if np.issubdtype(array.dtype, np.floating) and array.max() > 1:
        array = np.rint(array).clip(0).astype(np.int64)
    return np.repeat(to_uint8(array[..., None], name), 3, axis=2)


def to_uint8(array: NDArray[Any], name: str) -> Pixels:
    """Values of any depth as 8 bits; floats must lie in [0, 1], else ``ValueError``."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError(f"{name}: floating images must lie in [0, 1]; or give uint8")
        return np.rint(array * 255).astype(np.uint8)
    bits = deep_bits(array)
    if bits == 0 or array.min() < 0:
        raise ValueError(f"{name}: expected values of at most 16 bits, got up to {array.max()}")
    return np.rint(array * (255 / (2**bits - 1))).astype(np.uint8)


def deep_bits(array: NDArray[Any]) -> int:
    """Smallest of 8, 10, 12, 14 and 16 bits that holds an array of integers; 0 for none.

    Example:
        >>> deep_bits(np.array([0, 4095], np.uint16))
        12
    """
    return next((bits for bits in _BITS if array.max() < 2**bits), 0)
