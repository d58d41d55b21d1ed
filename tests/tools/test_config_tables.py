"""tools/misc/config_tables.py: lists of configs are current, in the metafiles and out of them."""

import importlib.util
from pathlib import Path

import pytest
import yaml

from wsol_mm import list_models

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
METAFILE = """\
Collections:
  - Name: Mine
    Metadata:
      Method: Mine
      Citation: Me, ICCV 2031
      Tables:
        configs: [config, map, epochs, ours]
        toy: [toy scenes, map]
    README: configs/mine/README.md
Models:
  - Name: mine_a
    In Collection: Mine
    Config: configs/mine/a.py
    Metadata:
      Epochs: 5
      Row: {config: ' (best)', map: 14x14}
  - Name: mine_b
    In Collection: Mine
    Config: configs/mine/b.py
    Metadata:
      Epochs: 6
      Row:
        - {table: toy, map: 12x12}
        - {table: toy}
"""
BLOCKS = """\
my words

<!-- configs:begin -->
<!-- configs:end -->

<!-- toy:begin -->
old
<!-- toy:end -->my words
"""


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "misc" / "config_tables.py"
    spec = importlib.util.spec_from_file_location("config_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path):
    """A small repository with one method."""
    (tmp_path / "configs/mine").mkdir(parents=True)
    (tmp_path / "configs/mine/metafile.yml").write_text(METAFILE)
    (tmp_path / "configs/mine/README.md").write_text(BLOCKS)
    (tmp_path / "README.md").write_text("<!-- methods:begin -->\n<!-- methods:end -->\n")
    site = "nav:\n  - Methods:\n      # methods:begin\n      # methods:end\n"
    (tmp_path / "mkdocs.yml").write_text(site)
    return tmp_path


def test_every_list_is_current(tool):
    stale = [path for path, text in tool.pages().items() if (ROOT / path).read_text() != text]
    assert stale == [], "run python tools/misc/config_tables.py"


def test_every_config_is_one_model_and_linked_in_a_readme():
    models = [
        model
        for path in sorted(CONFIGS.glob("*/metafile.yml"))
        for model in yaml.safe_load(path.read_text())["Models"]
    ]
    files = sorted(
        path.relative_to(ROOT).as_posix()
        for path in CONFIGS.glob("*/*.py")
        if path.parent.name != "_base_"
    )
    assert sorted(model["Config"] for model in models) == files
    assert set(list_models()) >= {model["Name"] for model in models}
    assert len({model["Name"] for model in models}) == len(models)
    unlinked = []
    for model in models:
        path = ROOT / model["Config"]
        assert model["Name"].endswith(path.stem)
        if f"({path.name})" not in (path.parent / "README.md").read_text():
            unlinked.append(path.stem)
    assert unlinked == []


def test_the_index_is_valid():
    modelindex = pytest.importorskip("modelindex")
    loaded = modelindex.load(str(ROOT / "model-index.yml"))
    assert {model.in_collection for model in loaded.models} == {
        collection.name for collection in loaded.collections
    }


def test_tables_are_written_once_and_words_around_them_stay(tool, house, capsys):
    stale = ["README.md", "configs/mine/README.md", "mkdocs.yml", "model-index.yml"]
    assert tool.main(["--check"], house) == 1
    assert sorted(capsys.readouterr().out.splitlines()) == [f"{p}: not current" for p in stale]
    assert "old" in (house / "configs/mine/README.md").read_text()
    assert tool.main([], house) == 0
    assert (house / "configs/mine/README.md").read_text() == (
        "my words\n\n<!-- configs:begin -->\n| config | map | epochs | ours |\n|---|---|---|---|\n"
        "| [a](a.py) (best) | 14x14 | 5 | not measured |\n<!-- configs:end -->\n\n"
        "<!-- toy:begin -->\n| toy scenes | map |\n|---|---|\n"
        "| [b](b.py) | 12x12 |\n|  | - |\n<!-- toy:end -->my words\n"
    )
    row = "| Mine | [configs/mine](configs/mine) | Me, ICCV 2031 |"
    assert row in (house / "README.md").read_text()
    assert yaml.safe_load((house / "model-index.yml").read_text()) == {
        "Import": ["configs/mine/metafile.yml"]
    }
    assert yaml.safe_load((house / "mkdocs.yml").read_text()) == {
        "nav": [{"Methods": [{"Mine": "methods/mine.md"}]}]
    }
    capsys.readouterr()
    assert tool.main(["--check"], house) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("map: 14x14", "mpa: 14x14", r"mine_a: no column \['mpa'\] in the table 'configs'"),
        ("{table: toy}", "{table: toys}", r"mine_b: no column \[\] in the table 'toys'"),
    ],
)
def test_a_row_names_its_tables_columns(tool, house, old, new, message):
    (house / "configs/mine/metafile.yml").write_text(METAFILE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        tool.pages(house)


def test_markers_stand_there_once(tool, house):
    (house / "configs/mine/README.md").write_text("<!-- configs:end --><!-- configs:begin -->")
    with pytest.raises(ValueError, match=r"configs/mine/README.md: expected '<!-- configs:begin"):
        tool.pages(house)


def test_methods_come_by_year(tool):
    def collection(method, citation):
        return {
            "README": f"configs/{method}/README.md",
            "Metadata": {"Method": method, "Citation": citation},
        }

    found = tool.by_year(
        [
            collection("c", "Nobody"),
            collection("b", "B, CVPR 2020"),
            collection("a", "A, CVPR 2020"),
        ]
    )
    assert [one["Metadata"]["Method"] for one in found] == ["a", "b", "c"]
