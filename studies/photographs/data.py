"""The folder of photographs that the bench reads: links and lists, no copies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from studies.harness.trial import ROOT
from wsol_mm.io import file_lock

VAL = 6  # images of each class


def prepare(source: Path, out: Path, seeds: Sequence[int]) -> None:
    """Write what is missing of the bench's data below ``out``.

    ``birds-seed<k>/CUB`` and ``CUBV2``: the birds of ``source/cub_mini`` with six val images of
    each class drawn out of the training ones by the seed. Everything else is a link into
    ``source``.

    Args:
        source: Folder with ``cub_mini`` and the other small data sets.
        out: Folder to write.
        seeds: Of the bench.

    Raises:
        FileNotFoundError: ``source`` has no ``cub_mini``.
    """
    birds = source / "cub_mini"
    if not birds.is_dir():
        raise FileNotFoundError(f"{birds} does not exist: name the folder above cub_mini")
    out.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        link = out / folder.name
        if not link.exists():
            link.symlink_to(folder.resolve(), target_is_directory=True)
    tool = ROOT / "tools/dataset_converters/cub_subset.py"
    with file_lock(out / ".lock"):  # run and search may go on side by side
        for seed in seeds:
            target = out / f"birds-seed{seed}"
            words = (birds, target, "--val", VAL, "--train", 1000, "--test", 1000, "--seed", seed)
            if not target.is_dir():
                subprocess.run([sys.executable, tool, *map(str, words)], check=True)
