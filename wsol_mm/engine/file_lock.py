"""Moved to :mod:`wsol_mm.io`."""

from wsol_mm.io import file_lock

__all__ = ["file_lock"]
