"""A fixed number of random views of each image, or what a frozen network made of them."""

import random
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose

from wsol_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FixedViews(BaseTransform):
    """Draw one of a few views of an image; its random transforms fall the same way every time.

    A frozen network gives the same for the same view, so that it need be run only once for each:
    ``wsol_mm.TokenCacheHook`` does so before training and fills ``tokens``. Then no image is read;
    the item has an empty one, and in ``tokens`` what was kept. Training is the same either way.

    A view depends on the image's name, its number and ``seed``, not on order, epoch or worker.

    Args:
        transforms: Configs of the transforms that make a view, the reading of the file included.
            They may draw from numpy's and Python's global streams.
        views: Number of views per image.
        tokens: Folder of the cache; None to read images.
        seed: Of the views.

    Raises:
        ValueError: No positive number of views.
    """

    def __init__(
        self, transforms: Sequence[dict], views: int, tokens: str | None = None, seed: int = 0
    ) -> None:
        if views < 1:
            raise ValueError(f"FixedViews: views must be positive, got {views}")
        self.configs = [dict(config) for config in transforms]
        self.transforms = Compose(self.configs)
        self.views = views
        self.tokens = tokens
        self.seed = seed
        self._rows: np.ndarray | None = None

    def transform(self, results: dict) -> dict | None:
        """Make a view, that of ``results['view']`` where it is given, or take its tokens."""
        asked = "view" in results
        view = results.pop("view") if asked else np.random.randint(self.views)
        if self.tokens is None or asked:
            with _streams(self.seed, zlib.crc32(results["img_id"].encode()), view):
                return self.transforms(results)
        row = self._open()[results["sample_idx"] * self.views + view]
        empty: dict[str, Any] = {"img": np.empty((0, 0, 3), np.uint8)}
        empty |= {"ori_shape": (0, 0), "img_shape": (0, 0)}
        return {**results, **empty, "tokens": torch.from_numpy(np.array(row))}

    def _open(self) -> np.ndarray:
        if self._rows is None:
            file = Path(str(self.tokens)) / "tokens.npy"
            if not file.is_file():
                raise FileNotFoundError(
                    f"{file} does not exist: add dict(type='wsol_mm.TokenCacheHook') to "
                    "custom_hooks, which makes it"
                )
            self._rows = np.load(file, mmap_mode="r")
        return self._rows


@contextmanager
def _streams(*seed: int) -> Iterator[None]:
    """Global random streams that start from a seed, and go on where they were afterwards."""
    states = np.random.get_state(), random.getstate()
    first, second = np.random.SeedSequence(seed).generate_state(2)
    np.random.seed(first)
    random.seed(int(second))
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
