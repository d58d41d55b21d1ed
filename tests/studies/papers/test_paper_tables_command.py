"""paper_tables.py: which trials run, when the files are written, what is kept."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from studies.harness.store import read_lines, result_file, run_name
from studies.harness.trial import resolved_config, trial_key
from studies.papers.tables import NOT_MEASURED, unique_trials

TOOL = Path(__file__).resolve().parents[3] / "studies/papers/__main__.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("paper_tables_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper_tables_tool"] = module
    spec.loader.exec_module(module)
    return module


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
def tables(tool, monkeypatch, tmp_path):
    """Runs the tool on WEND's tables; trials at eta 2 fail. Returns code, trials, documents."""
    asked, documents = [], []

    def run_trials(trials, root, jobs, kept):
        asked.extend(trials)
        documents.append((root / "tables.md").read_text())
        return [
            None if trial.options.get("model.eta") == 2 else write_result(trial, root / "results")
            for trial in trials
        ]

    monkeypatch.setattr(tool, "run_trials", run_trials)
    monkeypatch.setattr(tool, "KEPT", tmp_path / "kept")

    def run(*words):
        asked.clear()
        documents.clear()
        out = tmp_path / "out"
        code = tool.main(["--paper", "wend", "--out", str(out), *map(str, words)])
        return code, list(asked), [*documents, (out / "tables.md").read_text()]

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


def test_write_keeps_results_and_the_document(tool, tables, tmp_path):
    docs = tmp_path / "docs.md"
    docs.write_text("before\n")
    tables("--toy", "--tables", 9, "--write", "--docs", docs)
    trials = unique_trials([t for t in tool.PAPERS["wend"][1](True) if t.number == "Table 9"], [0])
    kept = read_lines(tmp_path / "kept/wend.jsonl")
    assert set(kept) == {run_name(trial) for trial in trials}
    text = docs.read_text()
    assert text.startswith("before\n\n<!-- paper_tables_wend_toy:begin -->\n## ")
    assert "### Table 9:" in text
    # kept results are shown without the folder of the trials
    again = replace(trials[0], seed=0)
    result_file(again, tmp_path / "out/results").unlink()
    assert tables("--toy", "--tables", 9, "--dry-run")[2][-1].count("12.50 /") == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tables", "5"], "--tables"),
        (["--scores", "b7.npz", "--data-root", "x"], "DATA=FILE"),
    ],
)
def test_refuses(tables, words, message, capsys):
    with pytest.raises(SystemExit):
        tables(*words)
    assert message in capsys.readouterr().err


def test_toys_take_no_data(tables):
    with pytest.raises(SystemExit):
        tables("--toy", "--data-root", "x")
