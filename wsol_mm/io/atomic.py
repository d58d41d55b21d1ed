"""Whole files or none: write beside the target, then rename over it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path next to ``path``; rename it over ``path`` on success.

    A reader, or a process started after a kill at any moment, sees either the old file or the whole
    new one. The temporary file keeps the suffix of ``path`` (writers such as ``cv2.imwrite`` and
    ``numpy.savez`` look at it), starts with a dot, and is removed when the block raises. Missing
    parent folders are made. The data are flushed to the disk before the rename.

    Args:
        path: The file to write.

    Yields:
        The temporary path; the block must create it.

    Raises:
        FileNotFoundError: The block ended without writing the temporary file.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "numbers.json"
        >>> with atomic_write(target) as temporary:
        ...     _ = temporary.write_text("[1, 2]")
        ...     target.exists()
        False
        >>> target.read_text()
        '[1, 2]'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:12]}.tmp{target.suffix}")
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(f"nothing was written to {temporary}, so {target} is unchanged")
        _flush(temporary)
        os.replace(temporary, target)  # noqa: PTH105 - the one call the name promises
        _flush(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Force a file or a folder's entries to the disk; file systems that cannot are left alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
