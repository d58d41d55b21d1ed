"""benchmarks/cost.py runs, finds what a known layer costs, and holds rows to their limits."""

import doctest
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from mmpretrain.structures import DataSample

from benchmarks import cost as script
from benchmarks import measure
from benchmarks.record import read_record

ROOT = Path(__file__).resolve().parents[2]
TINY = """
_base_ = "{base}"
model = dict(backbone=dict(base_channels=8), head=dict(in_channels=64{hidden}))
"""


@pytest.fixture
def cost(tmp_path, monkeypatch):
    """The script with two rows: a tiny network, and the same with one more convolution."""
    rows = {}
    for name, hidden in (("CAM", ""), ("wide", ", hidden_channels=(64,)")):
        path = tmp_path / f"{name}.py"
        base = ROOT / "configs/cam/resnet18_toy.py"
        path.write_text(TINY.format(base=base, hidden=hidden))
        rows[name] = script.Row(str(path), limit=None if name == "CAM" else "macs")
    monkeypatch.setattr(script, "ROWS", rows)
    return script


def subject(cost, row, count=2):
    network = replace(cost.NETWORKS["resnet18"], batch=count)
    cfg = cost.configuration(row, network)
    return cost.Subject(cfg, partial(cost.batch, network, 6), "cpu")


def test_quick_run_prints_ratios_and_keeps_its_record(cost, tmp_path, capsys):
    assert cost.main(["--quick", "--results", str(tmp_path)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(line) == ["CAM", "wide", "CAM again"]
    assert line["CAM"] == 1
    assert line["wide"] > 0
    record = read_record(tmp_path / "cost_resnet18.json")
    assert record.name == "cost_resnet18"
    assert [row["method"] for row in record.rows] == ["CAM", "wide", "CAM again"]
    wide = record.row("wide")
    assert wide["ratio_train"] == pytest.approx(line["wide"], rel=1e-2)
    assert (wide["held_against"], record.row("CAM")["held_against"]) == ("CAM", None)
    assert (record.settings["side"], record.settings["batch"]) == (96, 2)
    assert record.settings["where"] == "CPU time on one thread"
    assert "torch" in record.machine


def test_multiply_adds_and_memory_are_those_of_the_layers(cost):
    plain, wide = (subject(cost, row) for row in cost.ROWS.values())
    more = measure.multiply_adds(wide.train) - measure.multiply_adds(plain.train)
    # a 3x3 convolution of 64 to 64 channels on 12x12 maps: forward and backward to both
    assert more == 3 * 2 * 9 * 64 * 64 * 12 * 12
    weights = (9 * 64 * 64 + 64) * 4
    assert wide.held() - plain.held() == 2 * weights  # weights and momentum
    assert wide.memory(wide.train) - plain.memory(plain.train) > 2 * weights
    assert plain.memory(plain.train) > plain.memory(plain.test) > plain.held()


def test_teachers_are_held_too(cost):
    student = subject(cost, cost.Row("kg_ci_cam/{network}.py"))
    alone = subject(cost, cost.Row("ci_cam/{network}.py"))
    # no optimizer state yet: three equal networks against one; teachers get normalised images
    constants = sum(each.nbytes for each in alone.model.data_preprocessor.buffers())
    assert student.held() == 3 * alone.held() - 2 * constants


def test_steps_change_nothing(cost):
    plain = subject(cost, cost.ROWS["CAM"])
    before = [parameter.detach().clone() for parameter in plain.model.parameters()]
    plain.train()
    assert all(map(torch.equal, before, plain.model.parameters()))


def test_peak_memory_is_what_is_held_at_once():
    def call():
        first = torch.ones(1000)
        second = -first
        del first
        return -second

    assert measure.peak_memory(call) == 2 * 4000


def test_calls_take_turns_and_the_short_ones_are_warmed():
    made = []
    calls = {name: partial(made.append, name) for name in "abc"}
    times = measure.take_turns(calls, 4, "cpu", warm=("b",))
    assert "".join(made) == "abbc" + "bbca" + "cabb" + "abbc"
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys("abc", 4)


@pytest.mark.parametrize("module", [script, measure], ids=lambda module: module.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def found(train, macs):
    same = {"train_memory": 8, "test_memory": 4, "test": [1.0], "data": [1.0]}
    return {"train": train, "macs": macs, **same}


@pytest.mark.parametrize(
    ("limit", "times", "limit_seen", "passed"),
    [
        ("macs", [1.6, 3.0, 3.0], 1.5 * 1.25 * 1.1, True),  # ratios 1.6, 1.5, 3: median 1.6
        ("macs", [2.1, 4.2, 1.0], 1.5 * 1.25 * 1.1, False),
        (1.15, [1.2, 2.4, 1.2], 1.15 * 1.1, True),
        (1.15, [1.3, 2.6, 1.3], 1.15 * 1.1, False),
        (None, [9.0, 9.0, 9.0], None, True),
    ],
)
def test_limits_widened_by_the_noise_floor(cost, limit, times, limit_seen, passed):
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
    assert results["A"].get("limit_train") == (limit_seen and pytest.approx(limit_seen))
    assert results["A"].get("passed_train", True) is passed
    assert "passed_test" not in results["A"]


def test_a_row_may_be_held_against_several_others(cost):
    rows = {name: cost.Row("", limit=None) for name in ("CAM", "A", "B", cost.TWIN)}
    rows["C"] = cost.Row("", limit=1.25, of=("A", "B", "B"))
    rows["D"] = cost.Row("", limit="macs", of=("A", "B"))
    times = {"CAM": [1.0, 1.0, 1.0], "A": [2.0, 4.0, 2.0], "B": [1.0, 2.0, 1.0]}
    times |= {"C": [4.8, 10.4, 6.0], "D": [6.0, 12.0, 6.0], cost.TWIN: times["CAM"]}
    macs = {"A": 10, "B": 20, "D": 60}
    results = cost.compare(rows, {name: found(times[name], macs.get(name, 1)) for name in rows})
    assert results["C"]["of_train"] == pytest.approx(1.3)  # of 2 + 2 * 1, 4 + 2 * 2 and 2 + 2 * 1
    assert results["C"]["ratio_train"] == 6.0  # to CAM
    assert not results["C"]["passed_train"]
    assert results["D"]["limit_train"] == pytest.approx(1.25 * 60 / 30)
    assert results["D"]["of_train"] == 2
    assert results["D"]["passed_train"]


@pytest.mark.parametrize(("time", "passed"), [(2.4, True), (2.6, False)])
def test_a_limit_may_hold_at_test_too_with_its_own_noise(cost, time, passed):
    rows = {name: cost.Row("", limit=None) for name in ("CAM", "A", cost.TWIN)}
    rows["B"] = cost.Row("", 1.15, 1.15, of=("A",))
    times = {"CAM": 1.0, "A": 2.0, "B": time, cost.TWIN: 0.9}
    results = cost.compare(
        rows, {name: {**found([1.0], 1), "test": [times[name]]} for name in rows}
    )
    assert results["B"]["passed_train"]
    assert results["B"]["limit_test"] == pytest.approx(1.15 * 1.1)
    assert results["B"]["of_test"] == time / 2
    assert results["B"]["passed_test"] is passed


def test_options_set_and_remove_keys_and_leave_the_config_alone(cost):
    row = script.Row(
        "nl_ccam/{network}.py",
        options={"model.head.type": "wsol_mm.CAMHead", "model.head.combination": None},
    )
    head = cost.configuration(row, cost.NETWORKS["resnet18"]).model.head
    assert head.type == "wsol_mm.CAMHead"
    assert "combination" not in head
    untouched = cost.configuration(replace(row, options={}), cost.NETWORKS["resnet18"])
    assert untouched.model.head.combination.name == "signed_quadratic"


def test_a_missing_config_is_an_error(cost, monkeypatch, tmp_path):
    rows = {**cost.ROWS, "New": cost.Row("new/{network}.py")}
    monkeypatch.setattr(cost, "ROWS", rows)
    with pytest.raises(FileNotFoundError, match=r"new/resnet18_toy\.py does not exist"):
        cost.main(["--quick"])


NETWORK_ROWS = [(network, name) for name, row in script.ROWS.items() for network in row.networks]


def test_every_row_has_its_configs_and_what_it_is_held_against():
    for network, name in NETWORK_ROWS:
        row = script.ROWS[name]
        stems = script.NETWORKS[network]
        name = row.config.format(network=stems.name, plain=stems.plain or stems.name)
        assert (script.CONFIGS / name).is_file()
        assert row.step in script.STEPS
        assert all(network in script.ROWS[other].networks for other in row.of)


def test_the_non_local_baseline_is_nl_ccam_with_a_plain_head():
    plain, ours, causal = (
        subject(script, script.ROWS[name]).model
        for name in (script.NON_LOCAL, "NL-CCAM", script.CAUSAL)
    )
    assert type(plain.head).__name__ == "CAMHead"
    shapes = {key: value.shape for key, value in plain.state_dict().items()}
    assert any("layers." in key for key in shapes)
    assert shapes == {key: value.shape for key, value in ours.state_dict().items()}
    more = causal.state_dict().keys() - shapes.keys()
    names = ("contexts", "projection.weight", "projection.bias")
    assert more == {f"head.context_pool.{name}" for name in names}


def test_the_limits_of_the_causal_family_are_those_of_its_passes():
    rows = script.ROWS
    for name, masked in (("classification expert", 1), ("localization expert", 2)):
        assert rows[name].of == (script.CAUSAL,) * (1 + masked)
        assert rows[name].limit == 1.25
        model = subject(script, rows[name]).model
        # two images in each pass
        passes = []
        model.backbone.register_forward_hook(lambda *_, passes=passes: passes.append(1))
        samples = [DataSample().set_gt_label(label) for label in (0, 1)]
        model(torch.rand(2, 3, 96, 96), samples, mode="loss")
        assert len(passes) == 1 + masked
    assert rows["KG-CI-CAM"].of == (script.CAUSAL, script.FORWARD, script.FORWARD)
    assert len(subject(script, rows["KG-CI-CAM"]).model.teachers) == 2
    for name in ("NL-CCAM", script.CAUSAL):
        assert (rows[name].limit, rows[name].limit_test) == (1.15, 1.15)
        assert rows[name].of == (script.NON_LOCAL,)


def test_the_parts_of_ci_cam_leave_out_the_backbone_and_fill_the_pool():
    row = script.ROWS["combination and pool"]
    assert (row.limit, row.of) == (0.03, (script.FORWARD,))
    model = subject(script, row)
    part = script.pool_and_combination(model)
    assert not model.model.head.context_pool.contexts.any()
    forwards = []
    model.model.backbone.register_forward_hook(lambda *_: forwards.append(1))
    part()
    assert model.model.head.context_pool.contexts.any()
    assert not forwards
    whole = script.forward(model)
    assert not whole().requires_grad
    assert forwards == [1]
    assert 0 < measure.multiply_adds(part) < 0.01 * measure.multiply_adds(whole)


@pytest.mark.slow
def test_a_quick_run_holds_the_student_against_ci_cam_and_two_teachers(capsys, tmp_path):
    rows = ["--rows", "KG-CI-CAM", "combination and pool"]
    assert script.main(["--quick", *rows, "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    line = json.loads(out.splitlines()[-1])
    against = "CI-CAM + 2 teacher, no gradient"
    assert line["CI-CAM"] > line["teacher, no gradient"] > line["combination and pool"] > 0
    assert line[f"KG-CI-CAM / {against}"] > 0
    assert line["CI-CAM / non-local CAM, test"] > 0
    assert "NL-CCAM" not in line
    record = read_record(tmp_path / "cost_resnet18.json")
    assert record.row("KG-CI-CAM")["held_against"] == against
    assert "test_ms" in record.row("KG-CI-CAM")
    assert "test_ms" not in record.row("combination and pool")


@pytest.mark.parametrize(
    ("layer", "shape", "work"),
    [
        # filters of all outputs at every position of the 2 images, by hand
        (torch.nn.Conv2d(6, 6, 3, padding=1, groups=6), (2, 6, 5, 5), 2 * 25 * 6 * 9),
        (torch.nn.Conv2d(6, 4, 3, stride=2), (2, 6, 7, 7), 2 * 9 * 4 * 6 * 9),
        (torch.nn.ConvTranspose2d(6, 4, 3, stride=2), (2, 6, 3, 3), 2 * 9 * 4 * 6 * 9),
    ],
    ids=["depthwise", "strided", "transposed"],
)
def test_gradients_of_a_convolution_cost_twice_its_forward_pass(layer, shape, work):
    x = torch.zeros(shape, requires_grad=True)
    assert measure.multiply_adds(lambda: layer(x)) == work
    assert measure.multiply_adds(lambda: layer(x).sum().backward()) == 3 * work
