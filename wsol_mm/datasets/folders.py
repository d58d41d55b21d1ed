"""Folders of images, one for each class."""

import os
from collections.abc import Sequence
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def class_folders(folder: Path, hint: str) -> list[str]:
    """List the class folders of a folder, sorted.

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
        names = sorted(entry.name for entry in entries if entry.is_dir())
    if not names:
        raise ValueError(f"{folder} holds no class folders: {hint}")
    return names


def class_images(folder: Path, classes: Sequence[str], hint: str) -> list[tuple[str, int]]:
    """List the images below the class folders of a split.

    Args:
        folder: Holds one folder for each class; classes may be missing.
        classes: Names of all classes; a folder of another name is an error.
        hint: How to get the files, printed when there are none.

    Returns:
        `(name relative to folder, class index)`, sorted; files that are no images are left out.

    Raises:
        FileNotFoundError: When `folder` is missing.
        ValueError: When a class folder is unknown, or there is no image.
    """
    index = {name: label for label, name in enumerate(classes)}
    images: list[tuple[str, int]] = []
    for name in class_folders(folder, hint):
        if name not in index:
            raise ValueError(
                f"{folder / name}: '{name}' is not one of the {len(index)} known classes "
                "(the class folders of the train split, or the lines of classes_file)"
            )
        with os.scandir(folder / name) as entries:
            files = sorted(
                entry.name for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES)
            )
        images.extend((f"{name}/{file}", index[name]) for file in files)
    if not images:
        raise ValueError(f"{folder} holds no images: {hint}")
    return images
