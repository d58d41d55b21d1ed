"""Memory of a training step on a CPU that stays for the next step."""

from __future__ import annotations

import ctypes
import os

__all__ = ["keep_freed_memory"]

# Of glibc's mallopt, and how its environment names them.
_TRIM, _MMAP = -1, -3
_CHOSEN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory(mmap: int = 1 << 30, trim: int = (1 << 31) - 1) -> bool:
    """Have this process keep what it frees, where the allocator is glibc's.

    glibc gives large blocks back to the system, so every step's features are asked for, page by
    page, and cleared anew; ``benchmarks/layout.py`` has what it costs. Whoever has set the
    allocator up by environment variables is left alone.

    Args:
        mmap: Bytes of a block from which on it comes from the system and goes back there.
        trim: Bytes free at the end of the heap that may stay there.

    Returns:
        Whether it was done.
    """
    if any(name in os.environ for name in _CHOSEN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library has none
        return False
    return bool(mallopt(_MMAP, mmap)) and bool(mallopt(_TRIM, trim))
