"""Compiled loops on as many threads as PyTorch may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import torch

__all__ = ["in_parts"]


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


# A fork inherits the object and none of its threads.
os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parts(total: int, least: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(first, last)`` for parts of ``range(total)``, on ``torch.get_num_threads()``.

    Args:
        total: How many there are; nothing is called for 0.
        least: A part has so many, but where ``total`` is less.
        work: Releases Python's lock; parts do not overlap.

    Example:
        >>> import torch
        >>> torch.set_num_threads(1)
        >>> in_parts(10, 4, lambda first, last: print(first, last))
        0 10
    """
    parts = min(torch.get_num_threads(), total // max(least, 1)) or 1
    if parts == 1:
        if total:
            work(0, total)
        return
    bounds = [total * part // parts for part in range(parts + 1)]
    pool = _pool(torch.get_num_threads())
    for done in [pool.submit(work, *part) for part in pairwise(bounds)]:
        done.result()
