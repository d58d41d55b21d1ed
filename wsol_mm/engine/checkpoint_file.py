"""Read a checkpoint file without running code from it."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from wsol_mm.engine.whole_checkpoint import CheckpointError

_STATISTICS = ("min", "max", "mean", "current")
_DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


class UntrustedCheckpointError(CheckpointError):
    """A checkpoint needs arbitrary Python objects and was refused."""


class UnavailableCheckpointError(CheckpointError):
    """A checkpoint is missing, cannot be downloaded, or is not readable."""


def read_checkpoint(path: str | os.PathLike[str], map_location: Any = None, *, trust: bool = False):
    """Read a checkpoint file without running code from it.

    Only tensors, plain containers and numbers, numpy arrays and scalars and mmengine's
    ``HistoryBuffer`` are built. ``meta['config']`` is removed, because ``Runner.resume`` executes
    it as Python.

    Args:
        path: A local file.
        map_location: As in :func:`torch.load`.
        trust: Unpickle anything (``--trust-checkpoint``).

    Returns:
        The content of the file, usually a dict.

    Raises:
        UntrustedCheckpointError: The file needs other objects.
        UnavailableCheckpointError: The file is missing or damaged.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UnavailableCheckpointError(
            f"checkpoint {path} does not exist: give an existing file, or start without pretrained "
            "weights by --no-pretrained"
        )
    try:
        with torch.serialization.safe_globals(_allowed()):
            content = torch.load(path, map_location=map_location, weights_only=not trust)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _explain(path, error) from error
    if isinstance(content, dict) and isinstance(content.get("meta"), dict):
        content["meta"].pop("config", None)
    return content


def _history_method(owner: Any, name: str) -> Any:
    """Stand-in for ``getattr`` in pickles: mmengine stores ``HistoryBuffer.mean`` and the like."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"Unsupported global: GLOBAL getattr({owner!r}, {name!r})")
    return getattr(HistoryBuffer, name)


def _allowed() -> list[Any]:
    """What mmengine's own checkpoints hold beyond tensors, under numpy 1 and 2 names."""
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    allowed: list[Any] = [
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        (_history_method, "builtins.getattr"),
    ]
    allowed += [type(np.dtype(code)) for code in _DTYPES]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed += [(multiarray._reconstruct, f"{module}._reconstruct")]
        allowed += [(multiarray.scalar, f"{module}.scalar")]
    return allowed


def _explain(path: Path, error: Exception) -> CheckpointError:
    text = " ".join(str(error).split())
    refused = re.search(r"GLOBAL (\S+)|unrecognized function (\S+)|got (<class [^>]+>)", text)
    if refused or "TorchScript" in text:
        what = next(filter(None, refused.groups())) if refused else "a TorchScript program"
        return UntrustedCheckpointError(
            f"{path} was refused: besides weights it holds {what.rstrip('.,')}, and unpickling "
            "such objects can run any code; if you trust its source, pass --trust-checkpoint"
        )
    return UnavailableCheckpointError(
        f"{path} is not a readable checkpoint (truncated or another format?): {text[:200]}"
    )
