"""What measured numbers belong to, and the block of a document they are written into."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wsol_mm.io import atomic_write

PACKAGES = ("numpy", "numba", "opencv-python-headless", "opencv-python", "torch")


def machine() -> dict[str, str]:
    """Processor, system, Python, a GPU and the installed ones of ``PACKAGES``, as text."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        name = found.group(1) if found else name
    facts = {
        "processor": f"{name}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["accelerator"] = torch.cuda.get_device_name()
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head.

    >>> print(markdown_table([["method", "IoU"], ["CAM", "0.5"]]))
    | method | IoU |
    | --- | --- |
    | CAM | 0.5 |
    """
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def block_of(path: Path, name: str) -> str | None:
    """What stands between the markers of a block, see :func:`write_block`; None without them."""
    begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
    _, found, rest = path.read_text().partition(begin)
    return rest.partition(end)[0] if found else None


def write_block(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    A document without these markers, or one that does not exist yet, gets them at its end.

    Args:
        path: Markdown file.
        name: Name of the block.
        text: Its new content.

    Raises:
        ValueError: Only one of the two markers is there, or one stands there twice.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    old = path.read_text() if path.exists() else ""
    block = f"{begin}\n{text.strip()}\n{end}"
    if begin not in old and end not in old:
        new = f"{old.rstrip()}\n\n{block}\n".lstrip()
    elif old.count(begin) == old.count(end) == 1 and old.index(begin) < old.index(end):
        new = old[: old.index(begin)] + block + old[old.index(end) + len(end) :]
    else:
        raise ValueError(f"{path}: expected '{begin}' and '{end}' once each, in this order")
    with atomic_write(path) as temporary:
        temporary.write_text(new)
