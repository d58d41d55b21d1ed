"""Checkpoints are data: loading one must not run code that it carries."""

from __future__ import annotations

import os
import pickle
import re
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from tqdm import tqdm

from wsol_mm.engine.atomic import atomic_write
from wsol_mm.registry import HOOKS

NETWORK_TIMEOUT = 20.0
_STATISTICS = ("min", "max", "mean", "current")
_DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message is one line and names the way out."""


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


def use_strict_checkpoints(*, trust: bool = False) -> None:
    """Replace mmengine's checkpoint loaders by strict ones in this process.

    mmengine falls back to plain unpickling when safe loading is refused, and always unpickles
    downloads. Afterwards local files, http(s) and the torchvision / openmmlab / mmcls aliases go
    through :func:`read_checkpoint`; other schemes are refused, but ``package://``
    (:mod:`wsol_mm.engine.package_checkpoint`), which is strict as it is.

    Args:
        trust: Let these loaders unpickle anything.
    """

    def load_from_local(filename: str, map_location: Any = None) -> Any:
        return read_checkpoint(filename, map_location, trust=trust)

    def load_from_http(filename: str, map_location: Any = None) -> Any:
        return read_checkpoint(_download(filename), map_location, trust=trust)

    def load_from_alias(filename: str, map_location: Any = None) -> Any:
        address = _resolve_alias(filename)
        load = load_from_http if address.startswith("http") else load_from_local
        content = load(address, map_location)
        if filename.startswith("mmcls://"):
            content = mmengine_checkpoint._process_mmcls_checkpoint(content)
        return content

    def load_from_elsewhere(filename: str, *_: Any) -> Any:
        raise UnavailableCheckpointError(
            f"{filename}: this storage is not read directly; download the file and give its path"
        )

    ours: dict[str, Callable[..., Any]] = {"": load_from_local}
    ours |= dict.fromkeys(("http://", "https://"), load_from_http)
    ours |= dict.fromkeys(_ALIASES, load_from_alias)
    for prefix in set(CheckpointLoader._schemes) - {"package://"}:
        loader = ours.pop(prefix, load_from_elsewhere)
        loader.is_strict = True
        CheckpointLoader.register_scheme(prefix, loader, force=True)


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Load checkpoints strictly (:func:`use_strict_checkpoints`) in runs started by any tool.

    ``tools/train.py`` and ``tools/test.py`` do so themselves, where ``--trust-checkpoint`` is an
    explicit choice; the hook leaves that choice alone.
    """

    priority = "HIGHEST"

    def before_run(self, runner: Runner) -> None:
        """Install the strict loaders unless they are in place."""
        if not hasattr(CheckpointLoader._schemes[""], "is_strict"):
            use_strict_checkpoints()


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


def _openmmlab_table() -> dict[str, str]:
    table = dict(mmengine_checkpoint.get_external_models())
    for old, new in mmengine_checkpoint.get_deprecated_model_names().items():
        if new in table:
            table[old] = table[new]
    return table


_ALIASES: dict[str, Callable[[], dict[str, str]]] = {
    "modelzoo://": mmengine_checkpoint.get_torchvision_models,
    "torchvision://": mmengine_checkpoint.get_torchvision_models,
    "open-mmlab://": _openmmlab_table,
    "openmmlab://": _openmmlab_table,
    "mmcls://": mmengine_checkpoint.get_mmcls_models,
}


def _resolve_alias(filename: str) -> str:
    """``torchvision://resnet50`` -> its URL."""
    scheme, name = filename.split("://", 1)
    table = _ALIASES[f"{scheme}://"]()
    if name not in table:
        raise UnavailableCheckpointError(f"{filename}: {scheme} knows no checkpoint of that name")
    address = table[name]
    if address.startswith(("http://", "https://")):
        return address
    return str(Path(mmengine_checkpoint._get_mmengine_home()) / address)


def _download(url: str) -> Path:
    """Fetch ``url`` once into torch's cache; the first rank fetches, the others wait."""
    name = Path(urllib.parse.urlparse(url).path).name
    target = Path(torch.hub.get_dir()) / "checkpoints" / name
    if get_rank() == 0:
        _fetch(url, target)
    if get_world_size() > 1:
        barrier()
        _fetch(url, target)  # nodes without a shared cache
    return target


def _fetch(url: str, target: Path) -> None:
    if target.is_file():
        return
    try:
        with (
            urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT) as source,
            atomic_write(target) as temporary,
            temporary.open("wb") as sink,
            tqdm(
                total=int(source.headers.get("Content-Length") or 0) or None,
                desc=target.name,
                unit="B",
                unit_scale=True,
            ) as bar,
        ):
            while block := source.read(1 << 20):
                sink.write(block)
                bar.update(len(block))
    except OSError as error:  # urllib's and socket's errors are OSErrors
        raise UnavailableCheckpointError(
            f"cannot download {url} ({getattr(error, 'reason', error)}): put the file at {target}, "
            "name a local one in the config (e.g. --cfg-options "
            "model.backbone.init_cfg.checkpoint=FILE), or start from random weights by "
            "--no-pretrained"
        ) from error
