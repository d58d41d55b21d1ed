"""Features of a frozen network on disk: made once, part by part, and read by row.

A folder holds ``tokens.npy``, (rows, C) float32, and ``key.json``, what the rows were made from.
While it is being made it holds ``parts/`` instead of the former: each part is written whole or not
at all, so a killed run, or any number of ranks, continues with the missing ones.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_rank, get_world_size
from numpy.typing import NDArray
from torch import nn

from wsol_mm.io import atomic_write

ROWS_PER_PART = 4096

Tokens = NDArray[np.float32]


def weights_sha256(module: nn.Module) -> str:
    """Hash of a module's parameters and buffers: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        array = value.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def fill_token_cache(
    folder: Path,
    key: Mapping[str, Any],
    rows: int,
    compute: Callable[[Sequence[int]], Tokens],
    rows_per_part: int = ROWS_PER_PART,
) -> int:
    """Make what is missing of a cache; ranks share the parts and wait for each other.

    Args:
        folder: Of the cache; made where it is missing.
        key: What the rows are made from, plain data. Kept in the folder; another key is refused.
        rows: Number of rows.
        compute: Gives the rows of consecutive numbers, (n, C) float32.
        rows_per_part: Rows that a kill costs at most; keep it from run to run.

    Returns:
        Number of rows this rank computed; 0 for a complete cache.

    Raises:
        ValueError: The folder holds tokens of another key.
    """
    key = json.loads(json.dumps({**key, "rows": rows, "rows_per_part": rows_per_part}))
    file, parts = folder / "key.json", folder / "parts"
    complete = (folder / "tokens.npy").is_file()
    if complete or file.is_file():
        found = json.loads(file.read_text()) if file.is_file() else {}
        if differing := sorted(k for k in {*key, *found} if key.get(k) != found.get(k)):
            raise ValueError(
                f"{folder} holds tokens made with another {', '.join(differing)}: delete the "
                "folder, or name another one in FixedViews.tokens"
            )
    barrier()
    if complete:
        return 0
    if get_rank() == 0:
        with atomic_write(file) as temporary:
            temporary.write_text(json.dumps(key, indent=1))
    computed = 0
    names = [parts / f"{start:010d}.npy" for start in range(0, rows, rows_per_part)]
    for number in range(get_rank(), len(names), get_world_size()):
        if names[number].is_file():
            continue
        start = number * rows_per_part
        wanted = range(start, min(start + rows_per_part, rows))
        values = compute(wanted)
        with atomic_write(names[number]) as temporary:
            np.save(temporary, values)
        computed += len(wanted)
    barrier()
    if get_rank() == 0:
        _join(names, folder / "tokens.npy", rows)
        shutil.rmtree(parts)
    barrier()
    return computed


def _join(names: Sequence[Path], target: Path, rows: int) -> None:
    """One file of all parts, without holding more than one part in memory."""
    width = np.load(names[0], mmap_mode="r").shape[1]
    with atomic_write(target) as temporary:
        whole = np.lib.format.open_memmap(temporary, "w+", np.float32, (rows, width))
        start = 0
        for name in names:
            part = np.load(name)
            whole[start : start + len(part)] = part
            start += len(part)
        whole.flush()
