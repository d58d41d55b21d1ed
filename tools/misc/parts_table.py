"""Write docs/parts.md: every name that a config can use, what it is, and the paper it is from.

    python tools/misc/parts_table.py

The paper is the first that the class's docstring cites as `Authors et al., Venue Year`, else the
first of its module.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from wsol_mm.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "parts.md"
# The one preprint has a name instead of a venue.
CITATION = re.compile(
    r"[A-Z][\w'-]+(?: and [A-Z][\w'-]+| et al\.), "
    r"(?:\*[^*]+\*, )?(?P<venue>[A-Z][A-Za-z ]* (?:19|20)\d\d|KG-CI-CAM)"
)
HEAD = """# Parts by name

Written by `python tools/misc/parts_table.py` from the docstrings of the classes. In a config a part
is `dict(type="wsol_mm.Name", ...)`.
"""


def cited(text: str | None) -> str:
    """The first citation of a text, without its title; empty where there is none."""
    found = CITATION.search(" ".join((text or "").split()))
    return re.sub(r"\*[^*]+\*, ", "", found.group()) if found else ""


def paper(kind: type) -> str:
    """Where a class is from."""
    return cited(kind.__dict__.get("__doc__")) or cited(sys.modules[kind.__module__].__doc__)


def first_sentence(kind: type) -> str:
    """What a class is, in markdown on one line."""
    summary = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    summary = summary.replace("``", "`").replace("|", "\\|")
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", summary)


def parts() -> Iterator[tuple[str, str, type]]:
    """Registry, name and class of every registered part, in the order of the page."""
    import wsol_mm.registry

    for registry_name in wsol_mm.registry.__all__:
        registry = getattr(wsol_mm.registry, registry_name)
        registry.import_from_location()
        found = [
            (".".join(kind.__module__.split(".")[1:-1]), name, kind)
            for name, kind in registry.module_dict.items()
            if kind.__module__.startswith("wsol_mm.")
        ]
        for package, name, kind in sorted(found, key=lambda part: part[:2]):
            yield f"{registry_name}: {package}", name, kind


def render() -> str:
    """The page."""
    lines = [HEAD]
    for group, members in groupby(parts(), key=lambda part: part[0]):
        lines += [f"## {group}\n", "| name | what | paper |", "|---|---|---|"]
        for _, name, kind in members:
            source = Path(inspect.getfile(kind)).relative_to(ROOT)
            row = (f"[{name}](../{source})", first_sentence(kind), paper(kind) or "-")
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run the tool."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with atomic_write(PAGE) as temporary:
        temporary.write_text(render())
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
