"""Photographs of any kind as RGB: files, folders, patterns, arrays, PIL images, videos."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from wsol_mm.datasets.folders import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
_BITS = (8, 10, 12, 14, 16)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """One image that can be read when it is needed.

    Attributes:
        name: The path; ``video.mp4#12`` for a frame, ``input[3]`` for an array.
        read: Returns the image, (H, W, 3) uint8, RGB, as a viewer shows it. Raises ``ValueError``
            or ``OSError`` with one line that names the image where it cannot be read.
    """

    name: str
    read: Callable[[], Pixels]


def list_sources(inputs: Any) -> tuple[list[Source], dict[str, int]]:
    """The images that an input stands for.

    Args:
        inputs: A path or a pattern with ``*``, ``?`` or ``[``; a folder (its images, also in
            sub-folders, sorted; hidden files and folders are skipped); a video file (its frames);
            an array or PIL image; or a list of these.

    Returns:
        The sources, and how many files of a folder were left out, by suffix.

    Raises:
        FileNotFoundError: A path does not exist or a pattern matches nothing.
        TypeError: An input of another kind.
        ValueError: A folder without images, or a URL.
    """
    if isinstance(inputs, (list, tuple)):
        found = [_sources(item, f"input[{number}]") for number, item in enumerate(inputs)]
    else:
        found = [_sources(inputs, "input")]
    left_out: Counter[str] = Counter()
    for _, others in found:
        left_out.update(others)
    return [source for sources, _ in found for source in sources], dict(left_out)


def _sources(item: Any, name: str) -> tuple[list[Source], dict[str, int]]:
    if isinstance(item, Image.Image):
        return [Source(name, partial(_pil_to_rgb, item, name))], {}
    if isinstance(item, np.ndarray):
        return [Source(name, partial(array_to_rgb, item, name))], {}
    if not isinstance(item, (str, os.PathLike)):
        raise TypeError(
            f"{name}: expected a path, a pattern, an array (H, W, 3) or a PIL image, got "
            f"{type(item).__name__}"
        )
    text = os.fspath(item)
    path = Path(text).expanduser()
    if "://" in text:
        raise ValueError(f"{text}: addresses are not fetched; download the file, give its path")
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path), {}
    pattern = str(path) if glob.has_magic(text) else ""
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute ones
    files = [Path(match) for match in sorted(matches) if Path(match).is_file()]
    if not files:
        kind = "matches no file" if pattern else "does not exist"
        raise FileNotFoundError(f"{text} {kind}")
    return [source for file in files for source in _file(file)], {}


def _folder(folder: Path) -> tuple[list[Source], dict[str, int]]:
    sources: list[Source] = []
    others: Counter[str] = Counter()
    for file in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        if file.suffix.lower() in IMAGE_SUFFIXES:
            sources.append(Source(str(file), partial(read_image, file)))
        elif file.is_file():
            others[file.suffix.lower() or "no suffix"] += 1
    if not sources:
        raise ValueError(f"{folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return sources, dict(others)


def _file(path: Path) -> list[Source]:
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return [Source(str(path), partial(read_image, path))]
    import mmcv

    video = mmcv.VideoReader(str(path), cache_capacity=1)
    if not video.opened or not len(video):
        raise ValueError(f"{path}: not a video that OpenCV can decode")
    return [
        Source(f"{path}#{number}", partial(_read_frame, video, path, number))
        for number in range(len(video))
    ]


def _read_frame(video: Any, path: Path, number: int) -> Pixels:
    frame = video.get_frame(number)
    if frame is None:
        raise ValueError(f"{path}: frame {number} cannot be decoded")
    return np.ascontiguousarray(frame[..., ::-1])


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
            return _pil_to_rgb(image, str(path))
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
        return _pil_to_rgb(image, str(path))
    picture = Image.fromarray(array_to_rgb(array, str(path)))
    picture.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return _pil_to_rgb(picture, str(path))


def _pil_to_rgb(image: Image.Image, name: str) -> Pixels:
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
    values = _to_uint8(array, name)
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
    return np.repeat(_to_uint8(array[..., None], name), 3, axis=2)


def _to_uint8(array: NDArray[Any], name: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError(f"{name}: floating images must lie in [0, 1]; or give uint8")
        return np.rint(array * 255).astype(np.uint8)
    bits = next((bits for bits in _BITS if array.max() < 2**bits), None)
    if bits is None or array.min() < 0:
        raise ValueError(f"{name}: expected values of at most 16 bits, got up to {array.max()}")
    return np.rint(array * (255 / (2**bits - 1))).astype(np.uint8)


def describe_left_out(left_out: dict[str, int]) -> str:
    """One line on files that are no images; empty where there were none.

    >>> describe_left_out({".txt": 2, ".json": 1})
    '3 files that are no images were left out (2 .txt, 1 .json)'
    """
    if not left_out:
        return ""
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in left_out.items())
    return f"{sum(left_out.values())} files that are no images were left out ({kinds})"
