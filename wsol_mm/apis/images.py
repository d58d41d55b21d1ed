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

import numpy as np
from PIL import Image

from wsol_mm.datasets.folders import IMAGE_SUFFIXES
from wsol_mm.datasets.pixels import Pixels, array_to_rgb, pil_to_rgb, read_image

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


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
        return [Source(name, partial(pil_to_rgb, item, name))], {}
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


def describe_left_out(left_out: dict[str, int]) -> str:
    """One line on files that are no images; empty where there were none.

    >>> describe_left_out({".txt": 2, ".json": 1})
    '3 files that are no images were left out (2 .txt, 1 .json)'
    """
    if not left_out:
        return ""
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in left_out.items())
    return f"{sum(left_out.values())} files that are no images were left out ({kinds})"
