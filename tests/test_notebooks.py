"""The notebooks run from top to bottom, and are kept without outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs/notebooks").glob("*.ipynb"))


def code_cells(path):
    content = json.loads(path.read_text("utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_a_run_is_kept(path):
    for cell in code_cells(path):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_first_photograph(tmp_path, monkeypatch, capsys):
    (path,) = NOTEBOOKS
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for cell in code_cells(path):
        exec("".join(cell["source"]), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "('Egyptian cat',) [[ 56.   0. 423. 289.]]"  # the cat without JPEG
    assert lines[1].startswith("('tabby, tabby cat',)")
    sizes = [line.partition(" -> ")[2].split(" x ") for line in lines[2:6]]
    areas = [float(width) * float(height) for width, height in sizes]
    assert areas[0] > areas[1] > areas[2]
    assert names["other"](names["photograph"])[0].plot().size == (451, 300)
