"""Text lists with errors that name the file and the line."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

Box = list[float]

# Annotated boxes are rounded: an end may lie this far outside its image.
BOX_TOLERANCE = 1.0


def read_text(path: Path, hint: str) -> str:
    """Read a text file; a byte-order mark is left out.

    Args:
        path: The file.
        hint: How to get the file, printed when it is missing.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not UTF-8 text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: {hint}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a UTF-8 text file: {error}") from None


def read_rows(
    path: Path, columns: Sequence[str], hint: str, *, separator: str | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Read the rows of a list file; blank lines are skipped.

    The last column takes the rest of its line, so names may hold spaces.

    Args:
        path: The list file.
        columns: Names of the columns, for the error messages and their number.
        hint: How to get the file, printed when it is missing.
        separator: Between columns; None means spaces.

    Yields:
        `path:line` and the fields of one row, stripped.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a row has too few fields, or the file has no rows.
    """
    empty = True
    for number, line in enumerate(read_text(path, hint).splitlines(), start=1):
        if not line.strip():
            continue
        empty = False
        place = f"{path}:{number}"
        fields = [field.strip() for field in line.strip().split(separator, len(columns) - 1)]
        if len(fields) < len(columns):
            wanted = (separator or " ").join(columns)
            raise ValueError(f"{place}: expected '{wanted}', got '{line.strip()}'")
        yield place, fields
    if empty:
        raise ValueError(f"{path} is empty: {hint}")


def read_mapping(
    path: Path, columns: Sequence[str], hint: str, *, separator: str | None = None
) -> dict[str, tuple[str, str]]:
    """Read a two-column list with unique keys into `{key: (value, path:line)}`.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: On a malformed row or a key that occurs twice.
    """
    table: dict[str, tuple[str, str]] = {}
    for place, (key, value) in read_rows(path, columns, hint, separator=separator):
        if key in table:
            raise ValueError(f"{place}: duplicate {columns[0]} '{key}', first at {table[key][1]}")
        table[key] = (value, place)
    return table


def to_int(text: str, place: str, name: str) -> int:
    """Parse an integer; the error names the place and the column."""
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f"{place}: {name} must be an integer, got '{text}'")
    return int(text)


def to_floats(texts: Sequence[str], place: str, name: str) -> list[float]:
    """Parse finite floats; the error names the place and the columns."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{place}: {name} must be numbers, got '{' '.join(texts)}'")
    return values


def box_problem(box: Sequence[float], size: tuple[int, int] | None) -> str | None:
    """Say what is wrong with a box, or None.

    Args:
        box: `x0, y0, x1, y1`, exclusive end.
        size: Width and height of its image where known; `BOX_TOLERANCE` px outside are allowed.

    Example:
        >>> box_problem([0, 0, 12, 5], (10, 10))
        'box (0, 0, 12, 5) lies outside its image of 10x10 px'
        >>> box_problem([3, 0, 3, 5], None)
        'box (3, 0, 3, 5) has no area'
    """
    x0, y0, x1, y1 = box
    text = "box (" + ", ".join(f"{value:g}" for value in box) + ")"
    if not all(math.isfinite(value) for value in box):
        return f"{text} holds numbers that are not finite"
    if x1 <= x0 or y1 <= y0:
        return f"{text} has no area"
    width, height = size if size is not None else (math.inf, math.inf)
    low = -BOX_TOLERANCE
    if x0 < low or y0 < low or x1 > width + BOX_TOLERANCE or y1 > height + BOX_TOLERANCE:
        of = f" of {width}x{height} px" if size is not None else ""
        return f"{text} lies outside its image{of}"
    return None
