"""What a mask file says: object, void or background for each pixel."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

VOID = 255
_FEW = 32  # a drawn mask has no more values than this; ringing has many
_BRIGHT = 192  # void masks have labels below, ringing has values between it and 255
_MIDDLE = 128

Region = NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """A decoded mask.

    Attributes:
        object: (H, W) bool.
        void: (H, W) bool, neither object nor background.
        note: What is unclear about the file; empty where nothing is.
    """

    object: Region
    void: Region
    note: str = ""


def decode_mask(path: str | os.PathLike[str]) -> Mask:
    """Read a mask file.

    - Two values, 0 and any other one, or one value: what is not 0 is object.
    - A palette's indices are labels: 0 is background, 255 void, others are object.
    - Grey with labels and 255 is taken as the same, and noted.
    - Grey with many values, or a JPEG, has soft edges: cut at 128, and noted.
    - Other grey values are labels, all of them object, and noted.

    Args:
        path: The file.

    Returns:
        The mask at the file's own resolution.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is no image, has colours or more than 8 bits, several values and none of them
            background, or is a JPEG without a bright pixel that is not all black.
    """
    try:
        with Image.open(path) as image:
            lossy = image.format in ("JPEG", "MPO")
            values, palette = _values(ImageOps.exif_transpose(image), path)
    except FileNotFoundError:
        raise FileNotFoundError(f"mask {path} does not exist: check the masks folder") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"mask {path} cannot be decoded ({reason}): fetch the file again"
        ) from None
    found = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    nothing = np.zeros(values.shape, bool)
    if palette:
        return Mask((values > 0) & (values < VOID), values == VOID)
    if lossy and len(found) > 1:
        if found[-1] < _MIDDLE:
            raise ValueError(
                f"mask {path} is a JPEG with values up to {found[-1]}: JPEG does not keep labels; "
                "write 0 and 255, or a PNG"
            )
        return Mask(values >= _MIDDLE, nothing, "soft edges (a JPEG), cut at 128")
    if len(found) <= 2 and (len(found) < 2 or found[0] == 0):
        return Mask(values > 0, nothing)
    if len(found) > _FEW or (found[-1] == VOID and found[-2] >= _BRIGHT):
        return Mask(values >= _MIDDLE, nothing, "soft edges (many values), cut at 128")
    if found[0] != 0:
        raise ValueError(
            f"mask {path} has the values {', '.join(map(str, found[:8]))} and no 0, so no "
            "background: write background as 0 and the object as another value"
        )
    if found[-1] == VOID:
        return Mask((values > 0) & (values < VOID), values == VOID, "labels, 255 taken as void")
    return Mask(values > 0, nothing, "several labels, all taken as object")


def _values(image: Image.Image, path: object) -> tuple[NDArray[np.uint8], bool]:
    """(H, W) values, and whether they are indices of a palette."""
    if image.mode in ("P", "L", "1"):
        grey = image if image.mode != "1" else image.convert("L")
        return np.asarray(grey), image.mode == "P"
    if image.mode in ("RGB", "RGBA", "LA"):
        array = np.asarray(image.convert("RGB"))
        if not (array == array[..., :1]).all():
            raise ValueError(
                f"mask {path} has colours, and nothing says which is the object: write 0 and 255"
            )
        return array[..., 0], False
    if image.mode.startswith("I"):
        array = np.asarray(image)
        if array.min() >= 0 and array.max() <= VOID:
            return array.astype(np.uint8), False
        if len(np.unique(array)) <= 2 and array.min() == 0:
            return ((array > 0) * np.uint8(VOID)), False
    raise ValueError(f"mask {path} has mode {image.mode}: expected 8 bits, 0 and 255")
