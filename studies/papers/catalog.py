"""The tables of each paper with the trials behind our columns."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from studies.harness.trial import Trial, resolved_config
from studies.papers.numbers import load_paper
from studies.papers.tables import PaperTable

CODE = ("ci_cam", "kg_ci_cam", "wend")  # modules whose trials follow from a row's labels


def tables_of(name: str, toy: bool) -> tuple[PaperTable, ...]:
    """A paper's tables.

    Args:
        name: One of :data:`studies.papers.numbers.PAPERS`.
        toy: Of the toy stand-ins in place of the paper's networks.

    Raises:
        ValueError: The paper has no stand-ins.
    """
    if name in CODE:
        return import_module(f"studies.papers.{name}").tables(toy)
    if toy:
        raise ValueError(f"--toy: {name} has no toy stand-ins; {', '.join(CODE)} have")
    return load_paper(name).tables


def placed(trial: Trial, folder: Path | None = None) -> Trial:
    """A trial on the data set of its config, where it stands or in another folder of data sets."""
    data = Path(resolved_config(trial).test_dataloader.dataset.data_root)
    return replace(trial, data_root=str((folder or data.parent) / data.name))
