"""Checkpoints to hand on: weights, classes and the chosen threshold, under a name with a hash."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wsol_mm.engine.checkpoint_file import read_checkpoint
from wsol_mm.engine.whole_checkpoint import CheckpointError, weights_of
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__

KEPT_META = ("dataset_meta", "epoch", "iter", "mmengine_version")


def publish(
    checkpoint: Path,
    out: Path,
    *,
    results: Path | None = None,
    ema: bool = True,
    trust: bool = False,
) -> Path:
    """Write what others need of a checkpoint.

    Kept are the weights, names of classes, epoch and versions; optimizer, schedules, logs, the
    config's text (with its paths) and other weights go. ``meta['stamp']`` says how the numbers of
    the results were made; ``tools/test.py`` reads ``threshold='val'`` off val again,
    :class:`wsol_mm.Localizer` takes the stamp's.

    Args:
        checkpoint: That of a training.
        out: Name of the result; ``-<first 8 digits of its SHA-256>.pth`` takes the place of
            ``.pth``.
        results: What ``tools/test.py --out`` wrote for this checkpoint, to keep its stamp.
        ema: Of a checkpoint with averaged weights, keep these, which mmengine's ``EMAHook`` saves
            as the network's.
        trust: Unpickle anything in the checkpoint.

    Returns:
        Where it was written.

    Raises:
        CheckpointError: The checkpoint cannot be read.
        ValueError: The results have no stamp, or are those of another checkpoint.
    """
    content = read_checkpoint(checkpoint, "cpu", trust=trust)
    state = dict(weights_of(content, checkpoint))
    if not ema:
        state |= _not_averaged(content, state)
    meta = {key: value for key, value in content.get("meta", {}).items() if key in KEPT_META}
    meta["wsol_mm_version"] = __version__
    if results is not None:
        meta["stamp"] = read_stamp(results, checkpoint)
    buffer = io.BytesIO()
    torch.save({"meta": meta, "state_dict": state}, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    path = out.with_name(f"{out.name.removesuffix('.pth')}-{digest}.pth")
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return path


def read_stamp(results: Path, checkpoint: Path) -> dict[str, Any]:
    """The stamp of a checkpoint's results.

    Raises:
        FileNotFoundError, ValueError: As :func:`publish`.
    """
    if not results.is_file():
        raise FileNotFoundError(f"{results} does not exist: tools/test.py --out makes it")
    try:
        info = json.loads(results.read_text())["info"]
        tested, details = Path(info["checkpoint"]), info["details"]
    except (KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(f"{results}: expected what tools/test.py --out FILE.json wrote") from None
    if tested.name != checkpoint.name:
        raise ValueError(f"{results} is of {tested}, not of {checkpoint}")
    if not details:
        raise ValueError(f"{results} has no stamp: its config has no wsol_mm.WSOLMetric")
    return json.loads((results.parent / Path(details[0]).name).read_text())["stamp"]


def published_threshold(meta: Mapping[str, Any]) -> float | None:
    """The threshold of maps that val chose, from a published checkpoint's ``meta``.

    Example:
        >>> published_threshold(dict(stamp=dict(threshold=dict(value=0.25, source="val"))))
        0.25
    """
    threshold = (meta.get("stamp") or {}).get("threshold") or {}
    return threshold.get("value") if threshold.get("source") == "val" else None


def _not_averaged(content: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """The network's own weights, which stand in the place of the averaged ones."""
    own = {k.removeprefix("module."): v for k, v in content.get("ema_state_dict", {}).items()}
    own = {key: value for key, value in own.items() if key in state}
    if not own:
        raise CheckpointError("the checkpoint has no averaged weights: leave out --no-ema")
    return own
