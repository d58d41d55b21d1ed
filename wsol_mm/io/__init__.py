"""Files that processes share: whole or not at all, one writer at a time."""

from wsol_mm.io.atomic import atomic_write
from wsol_mm.io.file_lock import file_lock

__all__ = ["atomic_write", "file_lock"]
