"""Which classes a caller asks for, by index or name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

Label = int | str


def class_index(label: Label, classes: Sequence[str]) -> int:
    """Index of a class given by index or name; of synonyms one is enough.

    Args:
        label: Index, or name in small or capital letters.
        classes: All names; one may hold synonyms, separated by commas.

    Raises:
        ValueError: There is no such class; close names are told.

    Example:
        >>> [class_index(label, ["tabby, tabby cat", "lynx"]) for label in ("Tabby", "lynx", 0)]
        [0, 1, 0]
    """
    if not isinstance(label, str):
        if not 0 <= label < len(classes):
            raise ValueError(f"label {label}: expected 0 to {len(classes) - 1}")
        return int(label)
    wanted, names = label.strip().lower(), [name.lower() for name in classes]
    if wanted in names:
        return names.index(wanted)
    for index, name in enumerate(names):
        if wanted in (part.strip() for part in name.split(",")):
            return index
    close = get_close_matches(wanted, names, n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    raise ValueError(f"no class {label!r} among {len(classes)}{hint}")


def asked_classes(labels: Any, classes: Sequence[str]) -> Callable[[str], list[int]]:
    """From an image's name to the indices that are asked for; checked at once.

    Args:
        labels: A class or several for all images, or ``{name: class or classes}``; None for none.
        classes: All names.

    Raises:
        ValueError: An unknown class, or none at all; when called, an image without an entry.
    """
    if isinstance(labels, Mapping):
        chosen = {os.fspath(name): _indices(value, classes) for name, value in labels.items()}

        def find(name: str) -> list[int]:
            if name not in chosen:
                raise ValueError(f"labels: no entry for {name}")
            return chosen[name]

        return find
    indices = [] if labels is None else _indices(labels, classes)
    return lambda _name: indices


def _indices(labels: Label | Sequence[Label], classes: Sequence[str]) -> list[int]:
    several = [labels] if isinstance(labels, (int, str, np.integer)) else list(labels)
    if not several:
        raise ValueError("labels: expected at least one class, or None for what is found")
    return list(dict.fromkeys(class_index(label, classes) for label in several))
