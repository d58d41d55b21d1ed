"""Miniatures in the official layouts, drawn at test time."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image


def draw(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> None:
    """Write a noisy image of a mode (`RGB`, `L`, `CMYK`) in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    noise = np.random.default_rng(len(path.name)).integers(0, 256, (size[1], size[0], channels))
    pixels = noise.astype(np.uint8)
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(path)


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


CUB_LISTS = {
    "images.txt": "1 003.Ani/a 1.jpg\n2 003.Ani/b.jpg\n3 017.Wren/c.jpg\n4 017.Wren/d.jpg\n",
    "image_class_labels.txt": "1 3\n2 3\n3 17\n4 17\n",
    "classes.txt": "17 017.Wren\n3 003.Ani\n",
    "train_test_split.txt": "1 1\n2 0\n3 1\n4 0\n",
    "bounding_boxes.txt": "1 0.0 0.0 40.0 30.0\n2 1.5 2.0 10.0 5.0\n3 3 4 5 6\n4 5 5 20 20\n",
}


def write_cub(root: Path) -> Path:
    """Write two classes with unordered ids and four images in CUB layout."""
    root.mkdir(parents=True)
    for name, text in CUB_LISTS.items():
        (root / name).write_text(text)
    draw(root / "images/003.Ani/a 1.jpg", mode="L")
    draw(root / "images/003.Ani/b.jpg", mode="CMYK")
    draw(root / "images/017.Wren/c.jpg")
    draw(root / "images/017.Wren/d.jpg")
    return root


@pytest.fixture
def cub_root(tmp_path: Path) -> Path:
    """A miniature of CUB-200-2011 with two of its classes."""
    return write_cub(tmp_path / "CUB_200_2011")


@pytest.fixture
def edit_file() -> Callable[[Path, str, str], None]:
    """Replace text in a file."""
    return edit


@pytest.fixture
def draw_image() -> Callable[..., None]:
    """Write a small image."""
    return draw


@pytest.fixture
def make_cub() -> Callable[[Path], Path]:
    """Write the miniature of CUB anywhere."""
    return write_cub


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is written to mmengine's log."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)
