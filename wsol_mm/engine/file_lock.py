"""A lock between processes that a kill cannot leave behind."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def file_lock(path: Path) -> Iterator[IO[str]]:
    """Wait for a lock file and hold it.

    The system releases it when its last holder ends, however that happens. A child process holds it
    too if it inherits the open file: ``subprocess.run(..., pass_fds=(lock.fileno(),))``.

    Args:
        path: The file; made, with its folder, where it is missing, and left there.

    Yields:
        The open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
