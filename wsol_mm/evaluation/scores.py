"""Class scores of a classifier, cached in a file, for detectors that know no classes."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PICKLE_NAMES = {"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"}


class ClassifierScores:
    """Scores by image.

    Args:
        path: Where they come from, for messages and stamps.
        rows: Image name -> row of ``scores``.
        scores: (n, K) floating.
    """

    def __init__(self, path: str, rows: Mapping[str, int], scores: NDArray[Any]) -> None:
        self.path, self.rows, self.scores = path, rows, scores

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, img_id: str) -> NDArray[Any]:
        """(K,) scores of one image.

        Raises:
            KeyError: The file has no such image.
        """
        if img_id not in self.rows:
            example = next(iter(self.rows), None)
            raise KeyError(
                f"{self.path} has no scores for image {img_id!r} (its ids look like {example!r}): "
                "cache the scores of this split"
            )
        return np.asarray(self.scores[self.rows[img_id]])


def load_classifier_scores(path: str | os.PathLike[str]) -> ClassifierScores:
    """Read scores from npz (``img_ids``, ``scores``), json or pkl (``{img_id: scores}``).

    Pickles are read with numpy arrays and plain values only; nothing else in them is executed.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: Unknown suffix or malformed content.
    """
    name, suffix = str(path), Path(path).suffix
    if not Path(path).is_file():
        raise FileNotFoundError(f"classifier scores {name} do not exist")
    try:
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                ids, scores = file["img_ids"].tolist(), file["scores"]
        elif suffix in (".json", ".pkl"):
            with Path(path).open("rb") as file:
                table = json.load(file) if suffix == ".json" else _PlainUnpickler(file).load()
            ids, scores = list(table), np.array([table[key] for key in table], dtype=np.float32)
        else:
            raise ValueError("the suffix must be .npz, .json or .pkl")
    except (KeyError, TypeError, ValueError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{name}: cannot read classifier scores ({error}); expected img_ids and scores in an "
            "npz, or a mapping from image id to scores"
        ) from error
    return _check(name, ids, scores)


def _check(path: str, ids: list[str], scores: NDArray[Any]) -> ClassifierScores:
    """Refuse scores that cannot be looked up."""
    if scores.ndim != 2 or len(ids) != len(scores):
        raise ValueError(f"{path}: {len(ids)} img_ids, but scores of shape {scores.shape}")
    if not np.isfinite(scores).all():
        bad = ids[int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])]
        raise ValueError(f"{path}: the scores of image {bad!r} are not finite")
    rows = {img_id: row for row, img_id in enumerate(ids)}
    if len(rows) < len(ids):
        twice = next(img_id for row, img_id in enumerate(ids) if rows[img_id] != row)
        raise ValueError(f"{path}: image {twice!r} comes twice")
    return ClassifierScores(path, rows, scores)


class _PlainUnpickler(pickle.Unpickler):
    """Reads numpy arrays and plain values, refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in _PICKLE_NAMES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not a numpy array or plain value")
