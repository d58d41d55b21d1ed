"""paper_tables.py: which trials run, when the files are written, what is kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studies.harness.store import read_lines, result_file, run_name
from studies.harness.trial import resolved_config, trial_key
from studies.papers import fill, readme
from studies.papers.__main__ import main
from studies.papers.catalog import placed, tables_of
from studies.papers.tables import NOT_MEASURED, unique_trials


def write_result(trial, folder):
    """A finished result whose GT-known is 100 times eta."""
    path = result_file(trial, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = 100 * resolved_config(trial).model.get("eta", 1)
    content = {"config": trial.config, "seed": trial.seed, "dials": [], "data": "x", "epoch": 1}
    content |= {"metrics": {"gt_known": known}, "val": {"gt_known": known / 2}, "stamp": {}}
    content |= {"machine": {}, "wsol_mm": "9.9"}
    path.write_text(json.dumps(content))
    return content


@pytest.fixture
def tables(monkeypatch, tmp_path):
    """Runs the command on WEND's tables; trials at eta 2 fail. Returns code, trials, documents."""
    asked, documents = [], []

    def run_trials(trials, root, jobs, kept):
        asked.extend(trials)
        documents.append((root / "tables.md").read_text())
        return [
            None if trial.options.get("model.eta") == 2 else write_result(trial, root / "results")
            for trial in trials
        ]

    monkeypatch.setattr(fill, "run_trials", run_trials)
    monkeypatch.setattr(fill, "KEPT", tmp_path / "kept")
    (tmp_path / "README.md").write_text("before\n")
    monkeypatch.setattr(readme, "readme_of", lambda _: tmp_path / "README.md")

    def run(*words):
        asked.clear()
        documents.clear()
        out = tmp_path / "out"
        code = main(["--paper", "wend", "--out", str(out), *map(str, words)])
        return code, list(asked), [*documents, (out / "wend/tables.md").read_text()]

    return run


def test_without_data_nothing_runs(tables):
    code, asked, documents = tables("--tables", 4, 9)
    assert (code, asked) == (0, [])
    assert "### Table 4:" in documents[-1]
    assert "### Table 9:" in documents[-1]
    assert "### Table 3:" not in documents[-1]
    # 12 rows of three columns
    assert documents[-1].count(NOT_MEASURED) == 36


def test_a_dry_run_trains_no_toys(tables):
    code, asked, documents = tables("--toy", "--dry-run")
    assert (code, asked) == (0, [])
    assert "ours, toy: CUB GT-known Loc" in documents[-1]
    # 35 rows of three columns, 3 of six
    assert documents[-1].count(NOT_MEASURED) == 35 * 3 + 3 * 6


def test_data_of_the_paper_below_one_folder(tables, tmp_path, capsys):
    (tmp_path / "sets/CUB_200_2011").mkdir(parents=True)
    words = ("--tables", 9, "Table 10", "--data-root", tmp_path / "sets", "--seeds", 0, 4)
    code, asked, documents = tables(*words, "--cfg-options", "train_cfg.max_epochs=3")
    assert code == 0
    # 5 of Table 9, 4 of Table 10; those of ILSVRC, which is not there, are left out
    assert [trial.seed for trial in asked] == [0] * 5 + [4] * 5 + [0] * 4 + [4] * 4
    assert {trial.data_root for trial in asked} == {str(tmp_path / "sets/CUB_200_2011")}
    assert all(trial.options["train_cfg.max_epochs"] == 3 for trial in asked)
    assert "Table 10: without" in capsys.readouterr().out
    # Table 9 was written before the trials of Table 10 ran: 12.50 of both seeds
    assert documents[0].count("12.50 ± 0.00") == 0
    assert documents[1].count("12.50 ± 0.00") >= 5
    bcd = next(line for line in documents[-1].splitlines() if line.startswith("| BCD"))
    assert "| 100.00 ± 0.00 / not measured |" in bcd
    # shown again without the data
    again = tables("--tables", 9, "Table 10", "--seeds", 0, 4, "--cfg-options",
                   "train_cfg.max_epochs=3")  # fmt: skip
    assert again[1] == []
    assert again[2][-1] == documents[-1]


def test_scores_reach_the_tests_of_their_data(tables, tmp_path):
    for name in ("CUB_200_2011", "ILSVRC"):
        (tmp_path / name).mkdir()
    _, asked, _ = tables(
        "--tables", 10, "--data-root", tmp_path, "--scores", "CUB_200_2011=b7.npz"
    )  # fmt: skip
    scores = {
        Path(trial.data_root).name: resolved_config(trial, test=True).test_evaluator.get(
            "classifier_scores"
        )
        for trial in asked
    }
    assert scores == {"CUB_200_2011": "b7.npz", "ILSVRC": None}


def test_options_of_the_test_alone(tables):
    words = ("--toy", "--tables", 9)
    plain = tables(*words)[1]
    _, asked, documents = tables(*words, "--test-options", "test_evaluator.protocol=wend")
    assert {trial_key(trial, test=False) for trial in asked} == {
        trial_key(trial, test=False) for trial in plain
    }
    assert not {trial_key(trial) for trial in asked} & {trial_key(trial) for trial in plain}
    assert all(t.test_options == {"test_evaluator.protocol": "wend"} for t in asked)
    # the results of the other test are not shown for this one
    assert documents[0].count(NOT_MEASURED) == 15
    assert documents[0].splitlines()[0].endswith("(ours with test_evaluator.protocol=wend)")


def test_a_failed_trial_is_not_measured(tables):
    code, asked, documents = tables("--toy", "--tables", 4)
    assert code == 1
    assert len(asked) == 7
    lines = {line.split(" | ")[0]: line for line in documents[-1].splitlines() if "|" in line}
    assert "| 50.00 / not measured | 1 |" in lines["| 0.5"]
    assert lines["| 2"].endswith(f"| {NOT_MEASURED} | 0 |")
    assert "not comparable" in documents[-1].splitlines()[0]


def test_write_keeps_results_and_the_readme(tables, tmp_path):
    (tmp_path / "sets/CUB_200_2011").mkdir(parents=True)
    tables("--tables", 9, "--data-root", tmp_path / "sets", "--write")
    (table,) = [table for table in tables_of("wend", False) if table.number == "Table 9"]
    trials = [placed(trial) for trial in unique_trials([table], [0])]
    kept = read_lines(tmp_path / "kept/wend.jsonl")
    assert set(kept) == {run_name(trial) for trial in trials}
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n\n<!-- paper_tables:begin -->\nTest split, C2AM's boxes")
    nine = text.partition("### Table 9:")[2].partition("###")[0]
    # GT-known of the trials at eta .125, beside two columns that they lack
    line = f"{NOT_MEASURED}; {NOT_MEASURED}; 12.50 / {NOT_MEASURED} |"
    assert nine.count(line) == 5
    # one of them is the training of a row of Table 2
    assert text.partition("### Table 2:")[2].partition("###")[0].count("12.50") == 1
    # kept results are shown without the folder of the trials
    result_file(replace(trials[0], seed=0), tmp_path / "out/wend/results").unlink()
    assert tables("--tables", 9)[2][-1].count("12.50 /") == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tables", "13"], "--tables"),
        (["--scores", "b7.npz", "--data-root", "x"], "DATA=FILE"),
    ],
)
def test_refuses(tables, words, message, capsys):
    with pytest.raises(SystemExit):
        tables(*words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--data-root", "x"), ("--write",)])
def test_toys_take_no_data_and_stand_in_no_readme(tables, words, capsys):
    with pytest.raises(SystemExit):
        tables("--toy", *words)
    assert "--toy draws its own scenes" in capsys.readouterr().err


def test_a_paper_without_toys(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--paper", "lcar", "--toy", "--out", str(tmp_path)])
    assert "lcar has no toy stand-ins; ci_cam, kg_ci_cam, wend have" in capsys.readouterr().err
