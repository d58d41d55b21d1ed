"""Folders of images, one for each class."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

from mmengine.logging import print_log

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def class_folders(folder: Path, hint: str) -> list[str]:
    """List the class folders of a folder, sorted; hidden ones (``.ipynb_checkpoints``) are none.

    Args:
        folder: Holds one folder for each class.
        hint: How to get the files, printed when there is none.

    Raises:
        FileNotFoundError: When `folder` is missing.
        ValueError: When it holds no folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist: {hint}")
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not _hidden(entry))
    if not names:
        raise ValueError(f"{folder} holds no class folders: {hint}")
    return names


def filled_class_folders(folder: Path, hint: str) -> list[str]:
    """As :func:`class_folders`, of a split that defines the classes.

    Raises:
        ValueError: A folder has no image, so that nothing says whether it is a class.
    """
    names = class_folders(folder, hint)
    for name in names:
        with os.scandir(folder / name) as entries:
            if not any(_is_image(entry) for entry in entries):
                raise ValueError(
                    f"{folder / name} holds no images ({', '.join(IMAGE_SUFFIXES)}), but each "
                    "folder of the training split is a class: remove or fill it"
                )
    return names


def class_images(folder: Path, hint: str) -> list[tuple[str, str]]:
    """List the images in the class folders of a split.

    What is left out is counted in one line of the log: hidden files and folders, files that are no
    images, folders within class folders, files beside the class folders.

    Args:
        folder: Holds one folder for each class.
        hint: How to get the files, printed when there are none.

    Returns:
        `(name relative to folder, class folder)`, sorted.

    Raises:
        FileNotFoundError: When `folder` is missing.
        ValueError: When there is no image.
    """
    images: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    names = class_folders(folder, hint)
    with os.scandir(folder) as entries:
        for entry in entries:
            if _hidden(entry):
                left_out["hidden"] += 1
            elif not entry.is_dir():
                left_out["beside the class folders"] += 1
    for name in names:
        files = []
        with os.scandir(folder / name) as entries:
            for entry in entries:
                if _is_image(entry):
                    files.append(entry.name)
                elif _hidden(entry):
                    left_out["hidden"] += 1
                elif entry.is_dir():
                    left_out["nested folders"] += 1
                else:
                    left_out[Path(entry.name).suffix.lower() or "no suffix"] += 1
        images.extend((f"{name}/{file}", name) for file in sorted(files))
    if left_out:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
        harmless = left_out.keys() <= {"hidden"}
        print_log(
            f"{folder}: {sum(left_out.values())} entries are left out: {counts}; images are "
            f"CLASS/NAME with a suffix of {' '.join(IMAGE_SUFFIXES)}",
            logger="current",
            level=logging.INFO if harmless else logging.WARNING,
        )
    if not images:
        raise ValueError(f"{folder} holds no images: {hint}")
    return images


def _hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".")


def _is_image(entry: os.DirEntry[str]) -> bool:
    name = entry.name.lower()
    return name.endswith(IMAGE_SUFFIXES) and not _hidden(entry) and entry.is_file()
