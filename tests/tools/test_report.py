"""tools/report.py: a page from results; what cannot work is one line, said at once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from report_toy import FAULTS, make_result

from tools.report import main, parse_args

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [make_result(folder, name, FAULTS, scores=name == "a") for name in ("a", "b")]


def test_one_run_and_two(results, tmp_path, capsys):
    out = tmp_path / "deep" / "report.html"
    main([str(results[0]), "--out", str(out)])
    assert "1 run, " in capsys.readouterr().out
    assert " against " not in out.read_text("utf-8")
    main([*map(str, results), "--out", str(out)])
    text = out.read_text("utf-8")
    assert "<h2>b against a</h2>" in text
    assert "Top-1 classification" in text.split("<h2>a</h2>")[1]
    assert "Top-1 classification" not in text.split("<h2>b</h2>")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.json", "--out", "r.html"], "none.json does not exist: tools/test.py --out"),
        (["{a}", "--out", "r.txt"], "expected a name that ends in .html"),
        (["{a}", "{a}", "--out", "r.html"], "a result is named twice"),
        (["{a}", "--out", "r.html", "--images", "nowhere"], "nowhere is not a folder"),
        (["{a}", "{b}", "--out", "r.html", "--maps", "{here}"], "1 folders for 2 results"),
    ],
)
def test_wrong_words_are_refused_at_once(results, words, said, capsys):
    a, b = results
    with pytest.raises(SystemExit):
        parse_args([word.format(a=a, b=b, here=a.parent) for word in words])
    assert said in capsys.readouterr().err


def test_a_broken_result_is_one_line(tmp_path, capsys):
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "r.json"), "--out", str(tmp_path / "r.html")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "r.json is not valid json" in error
    assert not (tmp_path / "r.html").exists()


def test_help_imports_no_toolbox():
    code = "import sys, tools.report; print(*(n in sys.modules for n in ('mmengine', 'numpy')))"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
    assert time.perf_counter() - start < 10
