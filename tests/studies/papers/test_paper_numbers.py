"""The papers' YAML files: every row fits, every name is known, and the READMEs say the same."""

from pathlib import Path

import pytest
import yaml

from studies.harness.trial import config_file, resolved_config
from studies.papers import birds, readme
from studies.papers.numbers import FOLDER, PAPERS, load_paper, value
from studies.papers.tables import unique_trials
from studies.photographs.rows import BENCHES

ALL = pytest.mark.parametrize("name", PAPERS)


@ALL
def test_the_readme_is_current(name):
    assert readme.is_current(name), (
        f"configs/{name}/README.md is older than {name}.yaml or the results: "
        "python -m studies.papers --write"
    )


@pytest.mark.parametrize("change", [("90.7", "90.8"), ("<!-- paper_tables:begin -->\n", "")])
def test_a_readme_that_says_something_else_is_not_current(change, tmp_path, monkeypatch):
    text = readme.readme_of("lcar").read_text()
    (tmp_path / "README.md").write_text(text.replace(*change))
    monkeypatch.setattr(readme, "readme_of", lambda _: tmp_path / "README.md")
    assert not readme.is_current("lcar")
    if change[1]:
        readme.write_readme("lcar")
        assert (tmp_path / "README.md").read_text() == text


@ALL
def test_rows_of_the_bench_and_configs_exist(name):
    for table in load_paper(name).tables:
        assert set(table.birds) <= set(birds.NAMES)
        for row in table.rows:
            if row.birds:
                assert BENCHES["birds"].row(row.birds).name == row.birds
        for trial in unique_trials([table], [0]):
            config_file(trial)


@ALL
def test_options_of_rows_have_a_place(name):
    """One config of each kind: an option of a key that is not there is an error."""
    seen = {}
    for table in load_paper(name).tables:
        for trial in unique_trials([table], [0]):
            if trial.options or trial.test_options:
                seen.setdefault((Path(trial.config).parent, str(trial.options)), trial)
    for trial in seen.values():
        resolved_config(trial, test=True)


def test_the_head_of_the_birds_is_true():
    title = BENCHES["birds"].title
    assert "six classes" in title
    assert "144 training" in title
    assert "144 training" in birds.HEADING
    networks = {resolved_config(BENCHES["birds"].trial(BENCHES["birds"].row("CAM"), 0, Path("d")))
                .model.backbone.model_name}  # fmt: skip
    assert networks == {"tf_efficientnet_lite0"}


def test_a_row_that_does_not_fit_is_named(tmp_path, monkeypatch):
    content = yaml.safe_load((FOLDER / "lcar.yaml").read_text())
    content["tables"][1]["rows"][0]["paper"] = "87.7 50.1"
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr("studies.papers.numbers.FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"wrong\.yaml: Table 2: row \('TS-CAM',\) needs"):
        load_paper("wrong")


def test_an_unknown_table_is_named():
    with pytest.raises(KeyError, match="lcar: no 'Table 9'; there are Table 1, Table 2"):
        load_paper("lcar")["Table 9"]


def test_numbers_of_labels():
    assert [value(label) for label in ("4 ¹", "0.125", "1")] == [4, 0.125, 1]
    assert isinstance(value("4 ¹"), int)
