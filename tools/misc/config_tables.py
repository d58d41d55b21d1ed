"""Write what lists the configs, from the metafiles: model-index.yml, the READMEs' tables, the site.

    python tools/misc/config_tables.py            # write
    python tools/misc/config_tables.py --check    # exit with 1 where a file is not current

A collection's `Metadata` has `Method` and `Citation`, its row in README.md, and `Tables`: the
columns of each table of its own README, by the name of the block that the table stands in. A
model's `Metadata.Row` has its cells by column, and `table` where that is not the first one; a list
of them gives a model more rows. What a row leaves out comes from the metadata: `epochs` is
`Epochs`.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from wsol_mm.apis.command import add_general_options, one_line_errors
from wsol_mm.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
INDEX, README, SITE = "model-index.yml", "README.md", "mkdocs.yml"
LINK = "config"  # the first column of every table
EMPTY = {"ours": "not measured"}


def metafiles(root: Path) -> dict[str, dict[str, Any]]:
    """Every metafile's content by its path below the root, sorted."""
    return {
        path.relative_to(root).as_posix(): yaml.safe_load(path.read_text())
        for path in sorted((root / "configs").glob("*/metafile.yml"))
    }


def line(cells: list[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in markdown."""
    return "\n".join([line(columns), "|---" * len(columns) + "|", *map(line, rows)])


def by_year(collections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Methods in the order of their papers, those without a year last."""

    def order(collection: dict[str, Any]) -> tuple[str, str]:
        year = re.search(r"\d{4}", collection["Metadata"]["Citation"])
        return (year.group() if year else "9999", collection["Metadata"]["Method"])

    return sorted(collections, key=order)


def folder_of(collection: dict[str, Any]) -> Path:
    """The folder of a method's configs."""
    return Path(collection["README"]).parent


def methods_table(collections: list[dict[str, Any]]) -> str:
    """The README's table of methods."""
    rows = []
    for collection in collections:
        folder, meta = folder_of(collection).as_posix(), collection["Metadata"]
        rows.append([meta["Method"], f"[{folder}]({folder})", meta["Citation"]])
    return table(["method", "configs", "paper"], rows)


def site_pages(collections: list[dict[str, Any]]) -> str:
    """The site's list of methods."""
    return "\n".join(
        f"      - {collection['Name']}: methods/{folder_of(collection).name}.md"
        for collection in collections
    )


def cell(column: str, row: dict[str, Any], metadata: dict[str, Any]) -> str:
    """A cell: the row's own word, else the metadata's, else that there is none."""
    known = {key.lower(): value for key, value in metadata.items()}
    return str(row.get(column, known.get(column, EMPTY.get(column, "-"))))


def model_rows(model: dict[str, Any], tables: dict[str, list[str]]) -> Iterator[tuple[str, list]]:
    """The table and the cells of each of a model's rows.

    Raises:
        ValueError: A row names a table or a column that its collection does not have.
    """
    metadata = model["Metadata"]
    rows = metadata.get("Row", [])
    stem = Path(model["Config"]).stem
    for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
        name = row.get("table", next(iter(tables), None))
        columns = tables.get(name, [])
        unknown = set(row) - {"table", LINK, *columns}
        if not columns or unknown:
            raise ValueError(f"{model['Name']}: no column {sorted(unknown)} in the table {name!r}")
        link = "" if number else f"[{stem}]({stem}.py){row.get(LINK, '')}"
        yield name, [link, *(cell(column, row, metadata) for column in columns[1:])]


def spliced(text: str, name: str, block: str, path: str) -> str:
    """A document with what stands between a block's two markers replaced.

    Raises:
        ValueError: The markers do not stand there once each.
    """
    comment = "      # {}" if path.endswith(".yml") else "<!-- {} -->"
    begin, end = (comment.format(f"{name}:{side}") for side in ("begin", "end"))
    found = re.findall(f"{begin}.*?{end}", text, flags=re.DOTALL)
    if len(found) != 1 or text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{path}: expected {begin!r} and then {end!r}, once each")
    return text.replace(found[0], f"{begin}\n{block}\n{end}")


def pages(root: Path = ROOT) -> dict[str, str]:
    """What each file should say, by its path below the root.

    Raises:
        ValueError: A metafile or a document's markers are wrong.
    """
    found = metafiles(root)
    content = {INDEX: "Import:\n" + "".join(f"  - {path}\n" for path in found)}
    collections = by_year([one for file in found.values() for one in file["Collections"]])
    for path, block in ((README, methods_table(collections)), (SITE, site_pages(collections))):
        content[path] = spliced((root / path).read_text(), "methods", block, path)
    for file in found.values():
        (collection,) = file["Collections"]
        path, tables = collection["README"], collection["Metadata"].get("Tables", {})
        rows: dict[str, list[list[str]]] = {name: [] for name in tables}
        for model in file["Models"]:
            for name, cells in model_rows(model, tables):
                rows[name].append(cells)
        content[path] = (root / path).read_text()
        for name, columns in tables.items():
            content[path] = spliced(content[path], name, table(columns, rows[name]), path)
    return content


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, name stale files")
    add_general_options(parser)
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        texts = pages(root)
    stale = {
        path: text
        for path, text in texts.items()
        if not (root / path).is_file() or (root / path).read_text() != text
    }
    for path, text in stale.items():
        if not args.check:
            with atomic_write(root / path) as temporary:
                temporary.write_text(text)
        print(f"{path}: {'not current' if args.check else 'written'}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
