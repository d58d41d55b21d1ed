"""A process keeps what it frees; whoever set the allocator up is left alone."""

import ctypes
import os
import subprocess
import sys

import pytest

from wsol_mm.engine.freed_memory import keep_freed_memory

PAGES = """
import resource
import torch
from wsol_mm.engine.freed_memory import keep_freed_memory

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 << 20)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# An aligned block needs a little more room than the last one left, until two have joined.
print(min(pages() for _ in range(6)))
done = keep_freed_memory()
print(min(pages() for _ in range(6)), done)
"""


def glibc() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
    except (OSError, TypeError):
        return False


@pytest.mark.skipif(not glibc(), reason="needs glibc")
def test_a_freed_block_is_not_asked_for_again():
    names = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(
        [sys.executable, "-c", PAGES], env=environment, capture_output=True, text=True, check=True
    )
    before, after, answer = done.stdout.split()
    assert answer == "True"
    assert int(after) * 20 < int(before)


def test_a_chosen_allocator_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    assert not keep_freed_memory()


def test_a_c_library_without_mallopt(monkeypatch):
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
