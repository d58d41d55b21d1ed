"""Run the repository's tools in forks of one process that has the toolboxes imported.

Starting Python and importing MMPretrain and MMDetection costs every tool several seconds; a server
process pays it once, then each tool is a fork of it. The server only imports: no tensor, thread or
CUDA context exists before the fork.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from multiprocessing import reduction
from pathlib import Path
from typing import IO, Any

# An entry that cannot be imported, MMDetection say, is left to the tools that need it.
# The package comes first: what it lends mmcv must be there when MMDetection asks for it.
PRELOADED = [
    "wsol_mm",
    "mmengine.runner",
    "wsol_mm.datasets",  # MMPretrain's data sets without the line that they print
    "mmpretrain.models",
    "mmdet.models",
    *(f"wsol_mm.{part}" for part in ("apis", "engine", "evaluation", "models", "visualization")),
]
ENVIRONMENT = {
    # Waiting OpenMP threads sleep: spinning slows small steps tenfold when cores are shared.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    # The toolboxes ask for a GPU when they are imported; asked of CUDA, no fork could use it.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


class _Handed:
    """An open file handed to the fork, which shares its lock: the lock lasts until both end."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (reduction.DupFd(self.file.fileno()),)


def _receive(descriptor: Any) -> int:
    return int(descriptor.detach())


def run_tool(
    tool: Path, words: Sequence[str], *, log: Path, lock: IO[str], threads: int | None = None
) -> int:
    """Run a Python file as ``python tool words``, its output appended to ``log``.

    Args:
        tool: The file.
        words: Its arguments.
        log: File for what it prints.
        lock: A locked file; a restart waits for the tool even if this process is killed.
        threads: CPU threads of the tool; all by default.

    Returns:
        Its exit code; negative for a signal.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(
        target=_main, args=(str(tool), list(words), str(log), threads, _Handed(lock))
    )
    try:
        process.start()
    except EOFError as error:
        raise RuntimeError(
            "the process that loads the toolboxes for all tools ended while it imported them: "
            f"python -c 'import {', '.join(PRELOADED[:5])}' shows why"
        ) from error
    try:
        process.join()
    except BaseException:  # Ctrl-C ends the tool with its study
        process.terminate()
        process.join()
        raise
    code = process.exitcode
    process.close()
    return 1 if code is None else code


def _main(tool: str, words: list[str], log: str, threads: int | None, lock: int) -> None:
    import torch
    from mmengine.device import get_device

    with Path(log).open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if get_device() == "cuda" and torch.cuda._is_in_bad_fork():
        # an import has used CUDA: only a fresh process can
        os.set_inheritable(lock, True)
        os.execv(sys.executable, [sys.executable, tool, *words])
    if threads is not None:
        _limit(threads)
    sys.argv = [tool, *words]
    sys.path.insert(0, str(Path(tool).parent))
    runpy.run_path(tool, run_name="__main__")


def _limit(threads: int) -> None:
    import cv2
    import numba
    import torch

    os.environ["OMP_NUM_THREADS"] = str(threads)  # of processes that the tool starts
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
