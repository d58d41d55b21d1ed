"""A lock between processes that a kill cannot leave behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def file_lock(path: Path) -> Iterator[IO[str]]:
    """Wait for a lock file and hold it.

    The system releases it when its last holder ends, however that happens. A child process holds it
    too if it inherits the open file (not on Windows):
    ``subprocess.run(..., pass_fds=(lock.fileno(),))``.

    Args:
        path: The file; made, with its folder, where it is missing, and left there.

    Yields:
        The open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        _wait(file.fileno())
        yield file


def _wait(descriptor: int) -> None:
    """Take the lock of an open file; closing it gives it back."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # of the first byte, for ten seconds
        except OSError:
            continue
        return
