"""What a benchmark leaves: one json file of rows, settings and machine; documents follow from it.

``benchmarks/results/<name>.json`` is written by the benchmark's full run. docs/benchmarks.md and
the csv files beside it are written from these files (:mod:`benchmarks.page`), so that no number of
the page is typed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studies.harness.report import machine
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
DIGITS = 4  # significant ones of what is kept
Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """The last full run of a benchmark.

    Attributes:
        name: Of the file, and of its csv.
        command: That measures it again.
        settings: What all rows share, such as size, rounds and noise.
        rows: One mapping per line, all numbers as measured.
        machine: Facts of :func:`studies.harness.report.machine`.
        wsol_mm: Version of the package.
        commit: Of the repository.
        changed: Why rows must be measured again, such as code that has changed since, by their
            names with semicolons between them (empty for all); a new run starts without.
        more: Further tables of the same run, by name.
    """

    name: str
    command: str
    settings: Cells
    rows: Sequence[Cells]
    machine: Mapping[str, str]
    wsol_mm: str
    commit: str
    changed: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Sequence[Cells]] = field(default_factory=dict)

    def row(self, name: str) -> Cells:
        """The row whose first cell is that.

        Raises:
            KeyError: There is none.
        """
        for row in self.rows:
            if next(iter(row.values())) == name:
                return row
        raise KeyError(f"{self.name}: no row {name!r}")


def measured(
    name: str,
    command: str,
    settings: Cells,
    rows: Sequence[Cells],
    more: Mapping[str, Sequence[Cells]] | None = None,
) -> Record:
    """A record of now and here, numbers rounded to what they mean."""
    return Record(
        name, command, rounded(settings), rounded(rows), machine(), __version__, commit(),
        more=rounded(more or {}),
    )  # fmt: skip


def rounded(value: Any) -> Any:
    """Nested content with ``DIGITS`` significant digits, whole numbers as they are.

    >>> rounded({"ms": [1234.56, 0.0012345], "n": 123456})
    {'ms': [1235.0, 0.001234], 'n': 123456}
    """
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def commit() -> str:
    """The repository's, ``unknown`` without one."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short=9", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def read_record(path: Path) -> Record:
    """A record from its file.

    Raises:
        ValueError: It is something else.
    """
    try:
        return Record(**json.loads(path.read_text()))
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path}: expected a benchmark's record: {error}") from error


def read_records(folder: Path = RESULTS) -> dict[str, Record]:
    """All records of a folder by name."""
    return {path.stem: read_record(path) for path in sorted(folder.glob("*.json"))}


def write_record(record: Record, folder: Path) -> Path:
    """Write a record's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.name}.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")
    return path


def markdown(rows: Sequence[Cells]) -> str:
    """Rows as a table for the terminal."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = [heads, ["---"] * len(heads)]
    lines += [[_text(row.get(head)) for head in heads] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Options of every benchmark."""
    parser.add_argument(
        "--results", type=Path, metavar="DIR",
        help="folder that gets the record; a full run writes benchmarks/results and then "
        "docs/benchmarks.md",
    )  # fmt: skip


def finish(record: Record, folder: Path | None, full: bool) -> None:
    """Print a record, and keep it.

    Args:
        record: What was measured.
        folder: ``--results``.
        full: Whether the run is what the page is about; without a folder it is written then.
    """
    print(markdown(record.rows))
    for rows in record.more.values():
        print(f"\n{markdown(rows)}")
    if folder:
        write_record(record, folder)
    elif full:
        from benchmarks.page import write_page

        write_record(record, RESULTS)
        write_page()
