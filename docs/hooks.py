"""Hooks of the site (mkdocs.yml): pages and links that are written nowhere else.

- README.md becomes the first page, configs/<method>/README.md the method's page with its pictures:
  docs/photographs/gallery_<method>.jpg and docs/methods/<method>.jpg, where there are any.
- A page of `mkdocstrings` for each package of `API`.
- Links between files of the repository become links between pages; a link to a file that is no
  page shows its text, coloured, under `source/`.
"""

import html
import json
import os
import posixpath
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
CAPTIONS = "docs/methods/captions.json"  # by studies/method_pictures.py
API = {
    "functional": "The mathematics on arrays and tensors, usable without any toolbox.",
    "apis": "What people call: the Localizer, box files, evaluation of maps, reports.",
    "models": "Networks, heads, losses, refiners and detectors that configs name.",
    "evaluation": "Metrics, protocols and the records that every tool reads.",
}
LINK = re.compile(r"\]\(([^()\s]+)\)")
SHOWN = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>{style}
@media (prefers-color-scheme: dark) {{ {dark} }}
body {{ margin: 1.5rem; font-size: 14px }} a {{ color: inherit }}</style>
<p><a href="javascript:history.back()">back</a> · {title}</p>{code}</html>
"""


def method_names() -> list[str]:
    """Folders of configs/ that are methods."""
    return sorted(path.parent.name for path in ROOT.glob("configs/*/README.md"))


def repository_pages() -> dict[str, str]:
    """Pages whose text lies outside docs/: name on the site -> file of the repository."""
    pages = {f"methods/{name}.md": f"configs/{name}/README.md" for name in method_names()}
    return {"index.md": "README.md", "changelog.md": "CHANGELOG.md", **pages}


def api_page(package: str) -> str:
    """The page of a package: one heading for each module that has something public."""
    lines = [f"# wsol_mm.{package}", "", API[package], ""]
    folder = ROOT / "wsol_mm" / package
    for path in sorted(folder.rglob("*.py")):
        if path.name.startswith("_"):
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        name = module.removeprefix(f"wsol_mm.{package}.")
        lines += [f"## {name}", "", f"::: {module}", ""]
    return "\n".join(lines)


def place_of(file: str) -> str:
    """Where a file or folder of the repository stands on the site; source/ for what is no page."""
    for page, source in repository_pages().items():
        if file in (source, posixpath.dirname(source) or source):
            return page
    if file.startswith("docs/") and not (ROOT / file).is_dir():
        return file.removeprefix("docs/")
    return f"source/{file}.html"


def targets(text: str, origin: str) -> Iterator[tuple[str, str, str]]:
    """Links of a text that lead to something in the repository.

    Args:
        text: Markdown.
        origin: The file it is from, relative to the repository.

    Yields:
        The link as written, the file it leads to, and its anchor with "#" or nothing.
    """
    for link in LINK.findall(text):
        path, mark, anchor = link.partition("#")
        if not path or "://" in path:
            continue
        file = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        if (ROOT / file).exists():
            yield link, file, mark + anchor


def moved(text: str, origin: str, page: str) -> str:
    """A text with its links changed for its place on the site, and file names in them gone."""
    for link, file, anchor in set(targets(text, origin)):
        there = posixpath.relpath(place_of(file), posixpath.dirname(page) or ".")
        text = text.replace(f"[docs/{Path(file).name}]({link})", f"[{Path(file).stem}]({link})")
        text = text.replace(f"]({link})", f"]({there}{anchor})")
    return text


@cache
def _styles() -> tuple[str, str]:
    light, dark = (
        HtmlFormatter(style=name).get_style_defs() for name in ("default", "github-dark")
    )
    return light, dark + " body { background: #0d1117; color: #e6edf3 }"


def shown(file: str) -> str:
    """A file of the repository as a coloured html page; a folder as the list of its files."""
    path = ROOT / file
    style, dark = _styles()
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
        code = "<ul>" + "".join(f"<li>{html.escape(name)}</li>" for name in names) + "</ul>"
    else:
        try:
            lexer = get_lexer_for_filename(path.name)
        except ClassNotFound:
            lexer = TextLexer()
        code = highlight(path.read_text("utf-8"), lexer, HtmlFormatter(style="default"))
    return SHOWN.format(title=html.escape(file), style=style, dark=dark, code=code)


def pictures(method: str) -> str:
    """The pictures of a method in markdown, with what the script that made them says of them."""
    captions = json.loads((ROOT / CAPTIONS).read_text("utf-8"))
    places = (f"photographs/gallery_{method}.jpg", f"methods/{method}.jpg")
    return "".join(
        f"![{captions.get(place, method)}](../{place})\n\n*{captions[place]}*\n\n"
        if place in captions
        else f"![{method} on photographs](../{place})\n\n"
        for place in places
        if (ROOT / "docs" / place).is_file()
    )


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the generated pages, and what any page links to outside docs/."""
    from mkdocs.structure.files import File

    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for page, source in repository_pages().items():
        texts[source] = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, page, content=texts[source]))
    for package in API:
        files.append(File.generated(config, f"api/{package}.md", content=api_page(package)))
    linked = {file for origin, text in texts.items() for _, file, _ in targets(text, origin)}
    for file in sorted(linked):
        if (place := place_of(file)).startswith("source/"):
            files.append(File.generated(config, place, content=shown(file)))
    return files


def on_page_markdown(markdown: str, page: "Page", **_: object) -> str:
    """Put links right, and pictures under a method's title."""
    place = page.file.src_uri
    if place.startswith("api/"):
        return markdown
    origin = repository_pages().get(place, f"docs/{place}")
    markdown = moved(markdown, origin, place)
    folder, name = os.path.split(place)
    if folder == "methods":
        title, _, rest = markdown.partition("\n")
        markdown = f"{title}\n\n{pictures(Path(name).stem)}{rest}"
    return markdown
