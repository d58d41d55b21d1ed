"""tools/misc/parts_table.py: docs/parts.md is current, and papers are read from docstrings."""

import importlib.util
from pathlib import Path

import pytest

from wsol_mm.models import heads, losses
from wsol_mm.models.layers import context_pool_controls

ROOT = Path(__file__).resolve().parents[2]
# Parts that put others together, or change how a network is used: of no paper.
OF_NO_PAPER = {"WSOLClassifier", "WSOLTTAModel", "FrozenClassifier"}


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "misc" / "parts_table.py"
    spec = importlib.util.spec_from_file_location("parts_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(tool):
    assert tool.PAGE.read_text() == tool.render(), "run python tools/misc/parts_table.py"
    assert tool.KEYS_PAGE.read_text() == tool.render_keys(), "run python tools/misc/parts_table.py"


def test_every_key_is_described(tool):
    bare = {
        f"{name}.{key}": text
        for _, name, kind in tool.parts()
        for key, _, _, text in tool.keys(kind)[0]
        if len(text) < 3
    }
    assert bare == {}


def test_keys_of_a_part(tool):
    class Plain:
        def __init__(self, size, *, rate: "float | None" = None): ...

    class Part(Plain):
        """A part.

        Args:
            size: Of the :class:`~a.b.Map`,
                in pixels.
            rate, ...: Share
                of what | is left.

        Raises:
            ValueError: Never: ``rate`` is fine.
        """

        def __init__(self, size, extra=(1, 2), **kwargs): ...

    Plain.__module__ = Part.__module__ = "wsol_mm.x"
    rows, parent = tool.keys(Part)
    assert rows == [
        ("`size`", "-", "required", "Of the `Map`, in pixels."),
        ("`extra`", "-", "`(1, 2)`", ""),
        ("`rate`", "`float \\| None`", "`None`", "Share of what \\| is left."),
    ]
    assert parent is None
    Plain.__module__ = "elsewhere.y"
    rows, parent = tool.keys(Part)
    assert [row[0] for row in rows] == ["`size`", "`extra`"]
    assert parent is Plain


def test_every_published_part_names_its_paper(tool):
    methods = {f"MODELS: models.{name}" for name in ("heads", "layers", "losses", "refiners")}
    methods |= {"MODELS: models.classifiers", "MODELS: models.detectors"}
    unnamed = {
        name for group, name, kind in tool.parts() if group in methods and not tool.paper(kind)
    }
    assert unnamed == OF_NO_PAPER


def test_the_paper_is_the_docstrings_or_the_modules(tool):
    assert tool.paper(heads.CAMHead) == "Zhou et al., CVPR 2016"
    assert tool.paper(losses.SimilarityLoss) == "Kim et al., CVPR 2022"
    assert "ACM MM" not in context_pool_controls.ShuffledContextPool.__doc__
    assert tool.paper(context_pool_controls.ShuffledContextPool) == "Shao et al., ACM MM 2021"
    assert tool.paper(dict) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As in ADL (Choe and Shim, CVPR 2019).", "Choe and Shim, CVPR 2019"),
        ("Singh and Lee, *Hide-and-Seek*, ICCV 2017.", "Singh and Lee, ICCV 2017"),
        ("Krähenbühl and Koltun,\n    NeurIPS 2011", "Krähenbühl and Koltun, NeurIPS 2011"),
        ("Shao et al., ACM MM 2021; Zhou et al., CVPR 2016", "Shao et al., ACM MM 2021"),
        ("Wei et al., Pattern Recognition 2019 (DDT)", "Wei et al., Pattern Recognition 2019"),
        ("Yang et al. say so in 2020", ""),
        (None, ""),
    ],
)
def test_citations(tool, text, expected):
    assert tool.cited(text) == expected
