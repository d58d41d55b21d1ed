"""Write docs/parts.md, every name that a config can use, and docs/config_keys.md, its keys.

    python tools/misc/parts_table.py

The paper is the first that the class's docstring cites as `Authors et al., Venue Year`, else the
first of its module. Keys are the parameters of the class and of those of our parents that its
`**kwargs` reach, with the words of their docstrings' `Args`.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from wsol_mm.apis.command import add_general_options, one_line_errors
from wsol_mm.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "parts.md"
KEYS_PAGE = ROOT / "docs" / "config_keys.md"
# The one preprint has a name instead of a venue.
CITATION = re.compile(
    r"[A-Z][\w'-]+(?: and [A-Z][\w'-]+| et al\.), "
    r"(?:\*[^*]+\*, )?(?P<venue>[A-Z][A-Za-z ]* (?:19|20)\d\d|KG-CI-CAM)"
)
HEAD = """# Parts by name

Written by `python tools/misc/parts_table.py` from the docstrings of the classes. In a config a part
is `dict(type="wsol_mm.Name", ...)`; [its keys](config_keys.md).
"""
KEYS_HEAD = """# Every config key

Written by `python tools/misc/parts_table.py` from signatures and docstrings.
`python tools/misc/print_config.py CONFIG` prints a config with everything it inherits;
`--cfg-options a.b=1` changes one key, and says what it was.

At the top of a config, beside mmengine's own keys (`model`, `train_dataloader`, `optim_wrapper`,
`param_scheduler`, `default_hooks`, `load_from`, `work_dir`, ...):

| key | type | default | what |
|---|---|---|---|
| `classes_from_data` | bool | False | the head gets as many classes as the training data lists |
| `find_unused_parameters` | bool | False | of DistributedDataParallel |
| `model_wrapper_cfg` | dict | None | its other arguments |
| `runner_type` | str | Runner | another class than mmengine's Runner |
"""
# `name`, or `first, second, ...`, perhaps with a type in brackets
ENTRY = re.compile(r" {4}((?:\*{0,2}\w+|\.\.\.)(?:, (?:\*{0,2}\w+|\.\.\.))*)(?: \(.*?\))?: (.*)")


def cited(text: str | None) -> str:
    """The first citation of a text, without its title; empty where there is none."""
    found = CITATION.search(" ".join((text or "").split()))
    return re.sub(r"\*[^*]+\*, ", "", found.group()) if found else ""


def paper(kind: type) -> str:
    """Where a class is from."""
    return cited(kind.__dict__.get("__doc__")) or cited(sys.modules[kind.__module__].__doc__)


def one_line(text: str) -> str:
    """A part of a docstring as a cell of a markdown table."""
    text = " ".join(text.split()).replace("``", "`").replace("|", "\\|")
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)


def first_sentence(kind: type) -> str:
    """What a class is, in markdown on one line."""
    return one_line((inspect.getdoc(kind) or "").split("\n\n")[0])


def described(kind: type) -> dict[str, str]:
    """What a class's own docstring says of each argument."""
    _, _, section = inspect.cleandoc(kind.__dict__.get("__doc__") or "").partition("\nArgs:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        if entry := ENTRY.fullmatch(line):
            names = [name.lstrip("*") for name in entry[1].split(", ")]
            found |= dict.fromkeys(names, entry[2])
        elif line:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return {name: one_line(text) for name, text in found.items()}


def as_type(annotation: Any) -> str:
    """A parameter's annotation without module names."""
    if annotation is inspect.Parameter.empty:
        return "-"
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return "`" + re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text).replace("|", "\\|") + "`"


def keys(kind: type) -> tuple[list[tuple[str, str, str, str]], type | None]:
    """The keys of a part.

    Returns:
        Name, type, default and description of each; and the first parent of another toolbox whose
        keys it takes besides, None where it takes no more.
    """
    rows: dict[str, tuple[str, str, str, str]] = {}
    words: dict[str, str] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("wsol_mm."):
            words = described(base) | words
    for base in kind.__mro__:
        if "__init__" not in base.__dict__:
            continue
        if not base.__module__.startswith("wsol_mm."):
            return list(rows.values()), None if base is object else base
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            required = parameter.default is parameter.empty
            default = "required" if required else f"`{parameter.default!r}`".replace("|", "\\|")
            cells = (as_type(parameter.annotation), default, words.get(parameter.name, ""))
            rows.setdefault(parameter.name, (f"`{parameter.name}`", *cells))
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return list(rows.values()), None


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


def render_keys() -> str:
    """The page of keys."""
    lines = [KEYS_HEAD]
    for group, members in groupby(parts(), key=lambda part: part[0]):
        lines.append(f"## {group}\n")
        for _, name, kind in members:
            rows, parent = keys(kind)
            lines += [f"### {name}\n", first_sentence(kind) + "\n"]
            if rows:
                lines += ["| key | type | default | what |", "|---|---|---|---|"]
                lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
            if parent is not None:
                also = "And those" if rows else "Those"
                lines.append(
                    f"{also} of `{parent.__module__.split('.')[0]}`'s `{parent.__name__}`.\n"
                )
            elif not rows:
                lines.append("No keys.\n")
    return "\n".join(lines)


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_general_options(parser)
    with one_line_errors(parser.parse_args().debug):
        for page, text in ((PAGE, render()), (KEYS_PAGE, render_keys())):
            with atomic_write(page) as temporary:
                temporary.write_text(text)
        print(f"{page}: written")


if __name__ == "__main__":
    main()
