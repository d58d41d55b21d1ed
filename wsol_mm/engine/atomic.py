"""Moved to :mod:`wsol_mm.io`."""

from wsol_mm.io import atomic_write

__all__ = ["atomic_write"]
