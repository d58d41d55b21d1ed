"""The site builds strictly, loads nothing from a network, and has a page for everything."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).resolve().parents[1]
METHODS = sorted(path.parent.name for path in ROOT.glob("configs/*/README.md"))
LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?https?:|@import|url\(http""")
LINKED = re.compile(r"""<link\b[^>]*rel=["']?(?:stylesheet|preconnect|preload)["']?[^>]*http""")


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a warning would have stopped it."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "path", list(sys.path))
        build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    return folder


def test_every_method_has_its_page(site):
    for method in METHODS:
        title = (ROOT / f"configs/{method}/README.md").read_text().partition("\n")[0].lstrip("# ")
        assert f"{title}" in (site / f"methods/{method}.html").read_text().replace("&amp;", "&")


def test_links_to_files_show_them_coloured(site):
    page = (site / "methods/cam.html").read_text()
    assert 'href="../source/configs/cam/resnet50_cub.py.html"' in page
    shown = (site / "source/configs/cam/resnet50_cub.py.html").read_text()
    assert "2.3222617e-4" in shown
    assert 'class="highlight"' in shown


def test_api_pages_come_from_the_docstrings(site):
    page = (site / "api/functional.html").read_text()
    assert 'id="wsol_mm.functional.cam.class_activation_maps"' in page
    assert "the classifier's row, dotted with every location" in page
    assert 'id="wsol_mm.apis.localizer.Localizer"' in (site / "api/apis.html").read_text()
    assert ":class:" not in page


def test_nothing_comes_from_a_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        text = page.read_text()
        assert not LOADED.search(text), page
        assert not LINKED.search(text), page


def test_a_broken_link_stops_the_build(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    docs, config = tmp_path / "docs", tmp_path / "mkdocs.yml"
    docs.mkdir()
    (docs / "index.md").write_text("[gone](gone.md)\n")
    options = (ROOT / "mkdocs.yml").read_text().partition("\nvalidation:")[2].partition("\nnav:")
    config.write_text(f"site_name: x\nvalidation:{options[0]}\n")
    with pytest.raises(Abort, match="1 warnings in strict mode"):
        build(load_config(str(config), strict=True, site_dir=str(tmp_path / "site")))


def test_places_on_the_site(hooks):
    assert hooks.place_of("README.md") == "index.md"
    assert hooks.place_of("configs/cam") == hooks.place_of("configs/cam/README.md")
    assert hooks.place_of("configs/cam/README.md") == "methods/cam.md"
    assert hooks.place_of("docs/localize.md") == "localize.md"
    assert hooks.place_of("docs/effects") == "source/docs/effects.html"
    assert hooks.place_of("tools/train.py") == "source/tools/train.py.html"


def test_links_follow_their_page(hooks):
    text = "[a](../wend/fcos_r50_cub.py) [b](../../docs/toy.md#x) [c](https://d) [e](#f) [g](gone)"
    moved = hooks.moved(text, "configs/psol/README.md", "methods/psol.md")
    fcos = "../source/configs/wend/fcos_r50_cub.py.html"
    assert moved == f"[a]({fcos}) [b](../toy.md#x) [c](https://d) [e](#f) [g](gone)"
    said = hooks.moved("[docs/toy.md](docs/toy.md)", "README.md", "index.md")
    assert said == "[toy](toy.md)"


def test_a_picture_is_shown_where_there_is_one(hooks, tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "ROOT", tmp_path)
    for folder in ("methods", "photographs"):
        (tmp_path / "docs" / folder).mkdir(parents=True)
    (tmp_path / hooks.CAPTIONS).write_text('{"methods/cam.jpg": "A cat."}')
    assert hooks.pictures("cam") == ""
    (tmp_path / "docs/methods/cam.jpg").touch()
    assert hooks.pictures("cam") == "![A cat.](../methods/cam.jpg)\n\n*A cat.*\n\n"
    (tmp_path / "docs/photographs/gallery_cam.jpg").touch()
    first, second = hooks.pictures("cam").split("\n\n")[:2]
    assert first == "![cam on photographs](../photographs/gallery_cam.jpg)"
    assert second == "![A cat.](../methods/cam.jpg)"
