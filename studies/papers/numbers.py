"""The papers' tables as data: ``studies/papers/<paper>.yaml`` has every number once, as printed.

A file has a title, a ``protocol`` that the numbers belong to, what a ``toy`` stand-in is, and
tables:

    number: Table 4
    caption: what it shows
    labels: [update rate]                       # headings left of the numbers
    columns: [[Top-1 Cls, top1_cls, cub], ...]  # heading, our metrics, whose trial (`ours`)
    birds: [gt_known]                           # metrics of the birds' column; the columns' own
    notes: what a reader must know
    rows:
      - label: [0.01]
        paper: "75.56 91.12/91.24 -"            # a slash stays in its cell, a dash is none
        birds: CI-CAM                           # row of the bench of photographs
        ours: not built                         # in place of a number
        trials: {cub: ci_cam/vgg16_cub, ilsvrc: {config: ..., options: {...}, test_options: {...}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from studies.harness.trial import Trial
from studies.papers.tables import Column, PaperTable, Row

FOLDER = Path(__file__).parent
PAPERS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@dataclass(frozen=True)
class Paper:
    """A paper's tables.

    Attributes:
        name: Stem of its file, and of the folder of its README below ``configs``.
        title: Method, authors, where.
        protocol: What the printed numbers belong to.
        toy: What the numbers of toy stand-ins belong to.
        tables: In the paper's order.
    """

    name: str
    title: str
    protocol: str
    toy: str
    tables: tuple[PaperTable, ...]

    def __getitem__(self, number: str) -> PaperTable:
        """The table of that number, ``Table 3`` say.

        Raises:
            KeyError: There is none.
        """
        for table in self.tables:
            if table.number == number:
                return table
        known = ", ".join(table.number for table in self.tables)
        raise KeyError(f"{self.name}: no {number!r}; there are {known}")


@cache
def load_paper(name: str) -> Paper:
    """Read a paper's file.

    Raises:
        ValueError: A row does not fit its table, or a key is unknown.
        FileNotFoundError: There is no such paper.
    """
    path = FOLDER / f"{name}.yaml"
    content = yaml.safe_load(path.read_text())
    try:
        return Paper(
            name,
            content["title"],
            content["protocol"],
            content.get("toy", ""),
            tuple(_table(**table) for table in content["tables"]),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error


def _table(
    number: str,
    caption: str,
    labels: list[str],
    columns: list[list[str]],
    rows: list[dict[str, Any]],
    birds: list[str] | None = None,
    notes: str = "",
) -> PaperTable:
    found = tuple(Column(heading, tuple(keys.split()), *of) for heading, keys, *of in columns)
    keys = dict.fromkeys(key for column in found for key in column.metrics)
    return PaperTable(
        number,
        caption,
        tuple(labels),
        found,
        tuple(_row(len(columns), **row) for row in rows),
        notes,
        birds=tuple(keys if birds is None else birds),
    )


def _row(
    wide: int,
    label: list[str | float],
    paper: str | None = None,
    birds: str = "",
    ours: str = "",
    trials: Mapping[str, str | Mapping[str, Any]] | None = None,
) -> Row:
    return Row(
        tuple(str(part) for part in label),
        cells(paper) if paper else ("",) * wide,
        {name: _trial(each) for name, each in (trials or {}).items()},
        birds,
        ours,
    )


def _trial(content: str | Mapping[str, Any]) -> Trial:
    options = {"config": content} if isinstance(content, str) else dict(content)
    return Trial(f"configs/{options.pop('config')}.py", **options)


def cells(text: str) -> tuple[str, ...]:
    """Numbers of a row; a slash stays in its cell, and a dash is none.

    >>> cells("81.73 91.12/91.24 -")
    ('81.73', '91.12 / 91.24', '')
    """
    return tuple("" if word == "-" else word.replace("/", " / ") for word in text.split())


def value(label: str) -> int | float:
    """The number in a label, without its footnote; an int where it is one.

    >>> value("4 ¹"), value("0.125")
    (4, 0.125)
    """
    return yaml.safe_load(label.partition(" ")[0])
