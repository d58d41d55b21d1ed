"""benchmarks/cost.py runs, finds what a known layer costs, and holds rows to their limits."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TINY = """
_base_ = "{base}"
model = dict(backbone=dict(base_channels=8), head=dict(in_channels=64{hidden}))
"""


@pytest.fixture
def cost(tmp_path, monkeypatch):
    """The script with two rows: a tiny network, and the same with one more convolution."""
    spec = importlib.util.spec_from_file_location("cost", ROOT / "benchmarks/cost.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "cost", module)  # where its dataclasses look names up
    spec.loader.exec_module(module)
    rows = {}
    for name, hidden in (("CAM", ""), ("wide", ", hidden_channels=(64,)")):
        path = tmp_path / f"{name}.py"
        base = ROOT / "configs/cam/resnet18_toy.py"
        path.write_text(TINY.format(base=base, hidden=hidden))
        rows[name] = module.Row(str(path), limit=None if name == "CAM" else "macs")
    monkeypatch.setattr(module, "ROWS", rows)
    return module


def test_quick_run_prints_ratios_and_writes_only_its_block(cost, tmp_path, capsys):
    docs = tmp_path / "benchmarks.md"
    docs.write_text(
        "# Title\n<!-- cost_resnet18:begin -->\nstale\n<!-- cost_resnet18:end -->\nend\n"
    )
    assert cost.main(["--quick", "--docs", str(docs)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(line) == ["CAM", "wide", "CAM again"]
    assert line["CAM"] == 1
    assert line["wide"] > 0
    text = docs.read_text()
    assert "stale" not in text
    assert text.startswith(
        "# Title\n<!-- cost_resnet18:begin -->\n## Cost relative to CAM: resnet18"
    )
    assert text.endswith("<!-- cost_resnet18:end -->\nend\n")
    assert "| wide |" in text
    assert "96 px, batch 2, CPU time on one thread" in text
    assert "torch" in text


def test_multiply_adds_and_memory_are_those_of_the_layers(cost, tmp_path):
    network = replace(cost.NETWORKS["resnet18"], batch=2)
    image = cost.photo(network, tmp_path)
    plain, wide = (
        cost.Subject(Path(row.config), network, image, "cpu") for row in cost.ROWS.values()
    )
    # a 3x3 convolution of 64 to 64 channels on 12x12 maps: forward and backward to both
    assert wide.macs() - plain.macs() == 3 * 2 * 9 * 64 * 64 * 12 * 12
    weights = (9 * 64 * 64 + 64) * 4
    plain.train(), wide.train()
    assert wide.held() - plain.held() == 2 * weights  # weights and momentum
    more = wide.memory(wide.train) - plain.memory(plain.train)
    assert more > 2 * weights
    assert plain.memory(plain.train) > plain.memory(plain.test) > plain.held()


def test_steps_change_nothing(cost, tmp_path):
    network = replace(cost.NETWORKS["resnet18"], batch=2)
    row = next(iter(cost.ROWS.values()))
    subject = cost.Subject(Path(row.config), network, cost.photo(network, tmp_path), "cpu")
    before = [parameter.detach().clone() for parameter in subject.model.parameters()]
    subject.train()
    assert all(map(torch.equal, before, subject.model.parameters()))


def found(train, macs):
    same = {"train_memory": 8, "test_memory": 4, "test": [1.0], "data": [1.0]}
    return {"train": train, "macs": macs, **same}


@pytest.mark.parametrize(
    ("limit", "times", "limit_seen", "passed"),
    [
        ("macs", [1.6, 3.0, 3.0], 1.5 * 1.25 + 0.1, True),  # ratios 1.6, 1.5, 3: median 1.6
        ("macs", [2.0, 4.0, 1.0], 1.5 * 1.25 + 0.1, False),
        (1.15, [1.2, 2.4, 1.2], 1.15 + 0.1, True),
        (1.15, [1.3, 2.6, 1.3], 1.15 + 0.1, False),
        (None, [9.0, 9.0, 9.0], None, True),
    ],
)
def test_limits(cost, limit, times, limit_seen, passed):
    rows = {"CAM": cost.Row("", limit=None), "A": cost.Row("", limit=limit)}
    rows[cost.TWIN] = rows["CAM"]
    base = [1.0, 2.0, 1.0]
    results = cost.compare(
        rows,
        {
            "CAM": found(base, 100),
            "A": found(times, 150),
            cost.TWIN: found([1.1, 2.2, 1.1], 100),
        },
    )
    assert results["A"]["limit"] == (limit_seen and pytest.approx(limit_seen))
    assert results["A"]["passed"] is passed


def test_a_row_may_have_another_baseline(cost):
    rows = {"CAM": cost.Row("", limit=None), "A": cost.Row("", limit=None)}
    rows |= {"B": cost.Row("", baseline="A", limit=1.15), cost.TWIN: rows["CAM"]}
    times = {"CAM": [1.0], "A": [2.0], "B": [3.0], cost.TWIN: [1.0]}
    results = cost.compare(rows, {name: found(times[name], 1) for name in rows})
    assert results["B"]["ratio_train"] == 1.5
    assert not results["B"]["passed"]


def test_a_missing_config_is_an_error(cost, monkeypatch, tmp_path):
    rows = {**cost.ROWS, "New": cost.Row("new/{network}.py")}
    monkeypatch.setattr(cost, "ROWS", rows)
    with pytest.raises(FileNotFoundError, match=r"new/resnet18_toy\.py does not exist"):
        cost.main(["--quick"])
