"""benchmarks/wend.py counts what layers cost, holds rows to their limits, and compares targets."""

import json
from dataclasses import replace

import pytest
import torch

pytest.importorskip("mmcv._ext")

from benchmarks import target_assignment, wend
from benchmarks.record import read_record
from benchmarks.target_assignment import PLAIN, rows_of

SMALL = {
    wend.BASE: wend.Row("SCR", "psol/scr_r18_toy.py", paper=(24.55, 0.331)),
    "fcos": wend.Row(
        "FCOS", "wend/fcos_r18_toy.py", wend.EVERY_BOX, limit="macs", paper=(99.12, 0.245)
    ),
    "fcos_lean": wend.Row("lean FCOS", "wend/fcos_r18_toy.py", limit=1.1),
}


@pytest.fixture
def small(monkeypatch):
    """Rows of toy networks."""
    monkeypatch.setattr(wend, "ROWS", SMALL)


def test_quick_run_prints_ratios_and_keeps_its_record(small, tmp_path, capsys):
    assert wend.main(["--quick", "--results", str(tmp_path)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(line) == [
        "bcd_over_scr_infer",
        "bcd_over_scr_macs",
        "lean_over_scr_infer",
        "assign_speedup",
    ]
    assert min(line.values()) > 0
    record = read_record(tmp_path / "wend.json")
    fcos = record.row("FCOS")
    # parameters of the toy network, then the paper's
    assert (round(fcos["parameters_m"], 2), fcos["paper_parameters_m"]) == (1.02, 99.12)
    assert round(fcos["paper_ratio"], 2) == 0.74
    assert record.row("SCR again")["paper_ratio"] is None
    titles = [case.title for case in target_assignment.CASES.values()]
    assert [row["targets"] for row in record.more["targets"]] == titles
    assert "torch" in record.machine


def test_parts_alone(small, capsys):
    assert wend.main(["--quick", "--only", "assign"]) == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[-1])) == ["assign_speedup"]
    with pytest.raises(SystemExit):
        wend.main(["--quick", "--only", "yolo"])


def test_multiply_adds_are_those_of_the_layers():
    found = wend.measure({"fcos": SMALL["fcos"]}, 2, 96, 1, "cpu")["fcos"]
    # two towers of 128 to 128 channels and six outputs of 3x3 on 12x12 cells, two images
    assert found["macs_test"] - found["macs_backbone"] == 2 * 9 * 128 * (2 * 128 + 6) * 144
    # what changes: forward, and backward to features and weights
    assert 2.5 < found["macs_train"] / found["macs_test"] < 3
    assert {side: len(found[side]) for side in (*wend.SIDES, "network")} == {
        "train": 1,
        "test": 1,
        "network": 1,
    }


def test_a_step_changes_no_weight():
    made = wend.subject(SMALL["fcos"], 2, 96, "cpu")
    before = [parameter.detach().clone() for parameter in made.model.parameters()]
    made.train()
    assert all(map(torch.equal, before, made.model.parameters()))
    assert all(p.requires_grad for p in made.model.parameters())
    assert wend.macs_at_test(made, made.test) > 0
    assert all(p.requires_grad for p in made.model.parameters())


def cost(train, test, macs=10):
    same = {"params": 1, "macs_backbone": 10, "network": [1.0]}
    return {**same, "macs_train": 3 * macs, "macs_test": macs, "train": train, "test": test}


@pytest.mark.parametrize(
    ("limit", "train", "test", "passed"),
    [
        ("macs", [2.5, 9.9, 2.5], [2.4, 2.4, 2.4], True),  # twice the multiply-adds: 2.5
        ("macs", [2.8, 2.8, 2.8], [2.4, 2.4, 2.4], False),
        ("macs", [2.4, 2.4, 2.4], [2.8, 2.8, 2.8], False),
        ("macs", [2.55, 2.55, 2.55], [2.4, 2.4, 2.4], True),  # within the noise of training
        (1.1, [9.9, 9.9, 9.9], [1.1, 1.1, 1.1], True),  # of the time at test alone
        (1.1, [1.0, 1.0, 1.0], [1.2, 1.2, 1.2], False),
        (None, [9.9, 9.9, 9.9], [9.9, 9.9, 9.9], True),
    ],
)
def test_limits(limit, train, test, passed):
    rows = {name: wend.Row(name, "") for name in (wend.BASE, wend.TWIN)}
    rows["a"] = wend.Row("a", "", limit=limit)
    ones = [1.0, 1.0, 1.0]
    found = {
        wend.BASE: cost(ones, ones),
        wend.TWIN: cost([1.1, 1.1, 1.1], ones),
        "a": cost(train, test, macs=20),
    }
    assert wend.compare(rows, found)["a"]["passed"] is passed


def test_rows_are_the_papers():
    assert [row.paper for row in wend.ROWS.values() if row.paper] == [
        (24.55, 0.331),
        (99.12, 0.245),
        (102.79, 0.382),
        (117.54, 0.408),
    ]
    for row in wend.ROWS.values():
        assert (wend.CONFIGS / row.config).is_file()
    dense = {name for name, row in wend.ROWS.items() if row.limit == "macs"}
    assert dense == {"fcos", "fcos_200", "fcos_1000"}
    assert wend.ROWS["fcos_lean"].limit == 1.1
    with pytest.raises(FileNotFoundError, match=r"wend/gone\.py does not exist"):
        wend.subject(wend.Row("gone", "wend/gone.py"), 1, 96, "cpu")


@pytest.mark.parametrize("name", target_assignment.CASES)
def test_targets_are_equal_before_they_are_timed(name):
    found = target_assignment.speed(target_assignment.CASES[name], 4, 1, "cpu")
    assert found["same"]
    assert found["ratio"] == pytest.approx(found["theirs"] / found["ours"])


def test_a_difference_fails_the_run(monkeypatch, capsys, tmp_path):
    case = target_assignment.CASES["fcos"]

    class Wrong(case.theirs):
        def get_targets(self, points, truth):
            labels, sides = case.theirs.get_targets(self, points, truth)
            return labels, [side + 1e-5 for side in sides]

    monkeypatch.setattr(wend, "CASES", {"fcos": replace(case, theirs=Wrong)})
    assert wend.main(["--quick", "--only", "assign", "--results", str(tmp_path)]) == 1
    assert not list(tmp_path.iterdir())
    assert "Results differ: ['fcos']" in capsys.readouterr().out


def test_rois_may_come_in_any_order():
    rois, labels = torch.arange(10.0).view(2, 5), torch.tensor([0, 1])
    one = {"rois": rois, "targets": (labels,)}
    assert target_assignment.equal(one, {"rois": rois.flip(0), "targets": (labels.flip(0),)})
    assert not target_assignment.equal(one, {"rois": rois.flip(0), "targets": (labels,)})


@pytest.fixture
def small_steps(monkeypatch):
    steps = {"faster_rcnn": "faster_rcnn_r18_toy.py", "fcos": "fcos_r18_toy.py"}
    monkeypatch.setattr(target_assignment, "STEPS", steps)
    return steps


def test_a_step_with_mmdets_loops_differs_in_the_heads_alone(small_steps):
    for config in small_steps.values():
        ours, loops = (
            target_assignment.whole_step(config, plain, 1, 96, "cpu").model.detector
            for plain in (False, True)
        )
        assert {k: v.shape for k, v in ours.state_dict().items()} == {
            k: v.shape for k, v in loops.state_dict().items()
        }
        types = {
            (type(mine).__name__, type(other).__name__)
            for mine, other in zip(ours.modules(), loops.modules(), strict=True)
            if type(mine) is not type(other)
        }
        wanted = {name.split(".")[1]: plain.split(".")[1] for name, plain in PLAIN.items()}
        assert types
        assert all(wanted[mine] == other for mine, other in types)


def test_steps_are_one_line_of_json_and_a_record(small_steps, capsys, tmp_path):
    small = ["--batch", "2", "--side", "96", "--rounds", "1"]
    target_assignment.main([*small, "--results", str(tmp_path)])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["batch"], found["side"]) == (2, 96)
    for name in small_steps:
        loop, batch = found[name]["loop_ms"], found[name]["batch_ms"]
        assert min(loop, batch) > 0
        assert found[name]["gain_percent"] == pytest.approx(100 * (1 - batch / loop), abs=0.1)
    (file,) = tmp_path.iterdir()
    rows = read_record(file).rows
    assert rows[0]["loop_ms"] == pytest.approx(found["faster_rcnn"]["loop_ms"], rel=1e-3)


def test_the_rows_of_targets_say_what_was_measured():
    row = {"loop_ms": 200.0, "batch_ms": 150.0, "gain_percent": 25.0}
    rows = rows_of({"faster_rcnn": row, "fcos": row})
    assert rows[0] == {"detector": "Faster R-CNN ResNet-50", **row}
    assert rows[1]["detector"] == "FCOS ResNet-50"
