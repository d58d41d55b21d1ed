"""studies.search: the draws, what a kill leaves, the config of the best trial, and errors."""

import csv
import fcntl
import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from studies.harness.run import TrialError
from studies.harness.trial import Trial, resolved_config
from studies.search import search as engine
from studies.search.space import config_text, load_space

ROOT = Path(__file__).resolve().parents[3]
ADL = ROOT / "configs/adl/resnet18_toy.py"
SPACE = """
lr: {keys: optim_wrapper.optimizer.lr, log_uniform: [1e-5, 1]}
drop: {keys: "model.layers.*.layer.drop_rate", uniform: [0, 1]}
pair: {keys: [model.layers.0.layer.threshold, model.layers.1.layer.threshold], ordered: [0, 1]}
size: {keys: train_dataloader.batch_size, int: [2, 64]}
rule: {keys: val_evaluator.threshold, choice: [oracle, otsu, 0.2]}
"""


TINY = """
train_cfg = dict(max_epochs=12)
model = dict(layers=[dict(layer=dict(drop_rate=0.7, threshold=0.9)) for _ in range(3)])
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_dataloader = dict(batch_size=32, dataset=dict(data_root="scenes", split="train"))
val_dataloader = dict(dataset=dict(data_root="scenes", split="val"))
test_dataloader = dict(dataset=dict(data_root="scenes", split="test"))
val_evaluator = dict(type="wsol_mm.WSOLMetric", threshold="oracle")
test_evaluator = dict(type="wsol_mm.WSOLMetric", threshold="oracle")
randomness = dict(seed=0)
"""


def load_tool():
    spec = importlib.util.spec_from_file_location(
        "search_tool", ROOT / "studies/search/__main__.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_training(trial, root, *, threads=None):
    """A value that has its maximum at a rate of 0.01; each call leaves a line."""
    rate = trial.options["optim_wrapper.optimizer.lr"]
    with (Path(root) / "calls.txt").open("a") as file:
        file.write(f"{rate!r}\n")
    value = 90 - 10 * abs(math.log10(rate) + 2)
    return {"val": {"max_box_acc_v2": value, "best_threshold_iou50": 0.2}, "epoch": 3} | {
        "train_seconds": 1.5
    }


def calls(out):
    return [float(line) for line in (out / "calls.txt").read_text().split()]


def rows(out):
    return list(csv.DictReader((out / "trials.csv").read_text().splitlines()))


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def tiny(tmp_path):
    """A config that parses in no time."""
    path = tmp_path / "tiny.py"
    path.write_text(TINY)
    return path


@pytest.fixture
def tested():
    """The trials that were tested."""
    return []


@pytest.fixture
def tool(monkeypatch, tested):
    """The tool with trainings and tests that cost nothing."""
    module = load_tool()

    def test(trial, root):
        tested.append(trial)
        return {"metrics": {"max_box_acc_v2": 12.0}, "stamp": {"threshold": {"source": "val"}}}

    monkeypatch.setattr(engine, "train_trial", fake_training)
    monkeypatch.setattr(module, "run_trial", test)
    return module


@pytest.fixture
def search(tool, space, tiny, monkeypatch):
    """Runs the tool on the tiny config, without its plot."""
    monkeypatch.setattr(tool, "plot", lambda *_: None)

    def run(out, *words):
        return tool.main([str(w) for w in (tiny, "--space", space, "--out", out, *words)])

    return run


def test_trials_depend_on_the_seed_alone(search, tmp_path):
    assert search(tmp_path / "one", "--trials", 6) == 0
    assert search(tmp_path / "three", "--trials", 6, "--jobs", 3) == 0
    assert search(tmp_path / "grown", "--trials", 2) == 0
    assert len(rows(tmp_path / "grown")) == 2
    assert search(tmp_path / "grown", "--trials", 6) == 0
    expected = rows(tmp_path / "one")
    assert rows(tmp_path / "three") == rows(tmp_path / "grown") == expected
    assert len({row["lr"] for row in expected}) == 6
    for out in ("one", "three", "grown"):
        assert len(calls(tmp_path / out)) == 6
    assert search(tmp_path / "other", "--trials", 6, "--seed", 1) == 0
    assert not {row["lr"] for row in rows(tmp_path / "other")} & {row["lr"] for row in expected}


def test_what_a_search_leaves(tool, space, tmp_path, tested, capsys):
    out = tmp_path / "out"
    words = ("--trials", 5, "--cfg-options", "train_cfg.max_epochs=2")
    assert tool.main([str(w) for w in (ADL, "--space", space, "--out", out, *words)]) == 0
    found = rows(out)
    best = max(found, key=lambda row: float(row["wsol/max_box_acc_v2"]))
    assert float(best["lr"]) == min(calls(out), key=lambda rate: abs(math.log10(rate) + 2))
    assert [row["trial"] for row in found] == ["0", "1", "2", "3", "4"]
    assert best["epoch"] == "3"
    assert best["train_seconds"] == "1.5"
    assert best["folder"].startswith("runs/adl-resnet18_toy-")
    for row in found:
        assert 1e-5 <= float(row["lr"]) <= 1
        assert int(row["size"]) in range(2, 65)
        assert row["rule"] in ("oracle", "otsu", "0.2")
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")

    chosen, base = Config.fromfile(out / "best.py"), Config.fromfile(ADL)
    layers = chosen.model.layers
    assert chosen.optim_wrapper.optimizer.lr == float(best["lr"])
    assert [entry.layer.drop_rate for entry in layers] == [float(best["drop"])] * 3
    assert all(float(row["pair_0"]) < float(row["pair_1"]) for row in found)
    pair = [float(best["pair_0"]), float(best["pair_1"])]
    assert [entry.layer.threshold for entry in layers] == [*pair, 0.9]
    assert chosen.train_dataloader.batch_size == int(best["size"])
    changed = load_space([space], base)
    for key in (key for p in changed for group in p.groups for key in group):
        base.merge_from_dict({key: 0})
        chosen.merge_from_dict({key: 0})
    assert chosen.to_dict() == base.to_dict()  # nothing else differs, the option neither
    assert "'train_cfg.max_epochs': 2" in (out / "best.py").read_text()

    assert len(tested) == 1  # the test split is read for the chosen trial alone
    assert tested[0].test_options == {"test_evaluator.threshold": "val"}
    assert tested[0].options["train_cfg.max_epochs"] == 2
    result = json.loads((out / "result.json").read_text())
    assert str(result["best"]["trial"]) == best["trial"]
    assert result["values"]["optim_wrapper.optimizer.lr"] == float(best["lr"])
    assert result["test"]["metrics"]["max_box_acc_v2"] == 12.0
    assert "test, threshold of val: wsol/max_box_acc_v2 12.00" in capsys.readouterr().out


def test_a_killed_search_goes_on(search, space, tiny, tmp_path, capsys):
    out = tmp_path / "out"
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_search as t\n"
        "def train(trial, root, *, threads=None):\n"
        "    facts = t.fake_training(trial, root)\n"
        "    if len(t.calls(root)) > 2:\n"
        "        time.sleep(600)\n"
        "    return facts\n"
        "t.engine.train_trial = train\n"
        "t.load_tool().main(sys.argv[1:])\n"
    )
    words = (tiny, "--space", space, "--out", out, "--trials", 5, "--jobs", 2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, driver, *map(str, words)], env=environment)
    try:
        deadline = time.time() + 60
        # two finished; two more are at work
        while not (out / "calls.txt").is_file() or len(calls(out)) < 4:
            assert process.poll() is None
            assert time.time() < deadline
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = calls(out)
    assert search(out, "--trials", 5, "--jobs", 2) == 0
    # The two that were cut off run again, with the same values, and the one that had not begun.
    printed = capsys.readouterr().out
    assert sorted(re.findall(r"\] trial (\d)", printed)) == ["2", "3", "4"]
    expected = rows(out)
    assert sorted(before) == sorted(float(row["lr"]) for row in expected[:4])
    assert sorted(calls(out)[4:]) == sorted(float(row["lr"]) for row in expected[2:])
    search(tmp_path / "whole", "--trials", 5)
    assert expected == rows(tmp_path / "whole")


def test_a_trial_of_another_process_is_left_alone(search, tmp_path):
    out = tmp_path / "out"
    (out / "claims").mkdir(parents=True)
    with (out / "claims/0000").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def end_later():
            while not (out / "calls.txt").is_file() or len(calls(out)) < 2:
                time.sleep(0.05)
            fcntl.flock(file, fcntl.LOCK_UN)

        other = threading.Thread(target=end_later)
        other.start()
        assert search(out, "--trials", 3) == 0
        other.join(timeout=60)
    assert calls(out)[-1] == float(rows(out)[0]["lr"])


def test_a_failed_trial_is_tried_again(search, tmp_path, monkeypatch, capsys):
    train, broken = engine.train_trial, []

    def fails_once(trial, root, *, threads=None):
        if not broken or broken == [trial.options]:
            broken[:] = [trial.options]
            raise TrialError("train.py ended with 1, log somewhere/log.txt: no memory")
        return train(trial, root)

    monkeypatch.setattr(engine, "train_trial", fails_once)
    assert search(tmp_path / "out", "--trials", 3) == 1
    assert "trial 0 failed: train.py ended with 1, log somewhere" in capsys.readouterr().err
    first, *others = rows(tmp_path / "out")
    assert first["wsol/max_box_acc_v2"] == ""
    assert all(row["wsol/max_box_acc_v2"] for row in others)
    monkeypatch.setattr(engine, "train_trial", train)
    assert search(tmp_path / "out", "--trials", 3) == 0
    again, *same = rows(tmp_path / "out")
    assert again["lr"] == first["lr"]
    assert again["wsol/max_box_acc_v2"]
    assert same == others


def test_the_metric_must_be_one_of_val(search, tmp_path, capsys):
    assert fails(search, tmp_path, "--metric", "wsol/pxap", "--trials", 1)
    error = capsys.readouterr().err
    assert "--metric wsol/pxap: val gave ['best_threshold_iou50', 'max_box_acc_v2']" in error
    assert "no trial has finished" in error


def fails(search, out, *words):
    with pytest.raises(SystemExit) as caught:
        search(out, *words)
    return caught.value.code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: {keys: optim_wrapper.optimizer.rate, uniform: [0, 1]}", "optimizer.rate is not in"),
        ("lr: {keys: 'model.layers.*.layer.no', uniform: [0, 1]}", "layers.*.layer.no is not in"),
        ("lr: {keys: model.layers.9.layer.drop_rate, uniform: [0, 1]}", "layers.9.layer.drop_rate"),
        ("lr: {keys: [], uniform: [0, 1]}", "lr.keys: expected a config key or a list"),
        ("lr: {keys: optim_wrapper.optimizer.lr}", "lr: expected 'keys' and one of log_uniform"),
        ("lr: {keys: optim_wrapper.optimizer.lr, normal: [0, 1]}", "lr: expected 'keys' and one"),
        ("lr: [1, 2]", "lr: expected 'keys' and one of"),
        ("lr: {keys: optim_wrapper.optimizer.lr, uniform: [1, 0]}", "lr.uniform: expected lowest"),
        ("lr: {keys: optim_wrapper.optimizer.lr, uniform: [0, .inf]}", "lr.uniform: expected low"),
        ("lr: {keys: optim_wrapper.optimizer.lr, uniform: [0, .nan]}", "lr.uniform: expected low"),
        ("lr: {keys: optim_wrapper.optimizer.lr, uniform: [0]}", "lr.uniform: expected two numb"),
        ("lr: {keys: optim_wrapper.optimizer.lr, uniform: 1}", "lr.uniform: expected two numbers"),
        ("lr: {keys: optim_wrapper.optimizer.lr, log_uniform: [0, 1]}", "lr.log_uniform: expected"),
        ("size: {keys: train_dataloader.batch_size, int: [1.5, 3]}", "size.int: expected two int"),
        ("rule: {keys: val_evaluator.threshold, choice: []}", "rule.choice: expected a list"),
        ("pair: {keys: optim_wrapper.optimizer.lr, ordered: [0, 1]}", "pair.keys: 'ordered' needs"),
        (
            "a: {keys: optim_wrapper.optimizer.lr, uniform: [0, 1]}\n"
            "b: {keys: optim_wrapper.optimizer.lr, uniform: [0, 1]}",
            "a and b both set optim_wrapper.optimizer.lr",
        ),
        ("- lr", "expected names of parameters"),
        ("lr: {", "not valid YAML"),
    ],
)
def test_a_wrong_space_is_one_line_that_names_the_key(
    search, text, message, space, tmp_path, capsys
):
    space.write_text(text)
    assert fails(search, tmp_path / "out")
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == 1
    assert message in lines[-1]
    assert not (tmp_path / "out").exists()


def test_another_search_needs_another_folder(search, space, tmp_path, capsys):
    search(tmp_path, "--trials", 1)
    for words, name in (
        (("--seed", 1), "seed"),
        (("--cfg-options", "train_cfg.max_epochs=1"), "config"),
        (("--metric", "wsol/top1_loc"), "metric"),
    ):
        assert fails(search, tmp_path, "--trials", 1, *words)
        assert f"holds a search with another {name}: choose" in capsys.readouterr().err
    space.write_text(SPACE.replace("[2, 64]", "[2, 63]"))
    assert fails(search, tmp_path, "--trials", 1)
    assert "holds a search with another space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("val_dataloader.dataset.split=test", "val and test read the same split"),
        ("val_dataloader.dataset.data_root=x", "expected one data_root for all splits"),
        ("modle.layers=1", "option modle.layers"),
    ],
)
def test_a_config_that_cannot_be_searched(search, tmp_path, option, message, capsys):
    assert fails(search, tmp_path, "--cfg-options", option)
    assert message in capsys.readouterr().err


def test_later_files_replace_entries(space, tmp_path):
    more = tmp_path / "more.yml"
    more.write_text("lr: {keys: optim_wrapper.optimizer.lr, uniform: [0.1, 0.2]}")
    cfg = resolved_config(Trial(str(ADL)))
    found = {p.name: p for p in load_space([space, more], cfg)}
    assert found["lr"].bounds == (0.1, 0.2)
    assert found["size"].bounds == (2, 64)


def test_config_text_keeps_tuples_and_lists_of_lists(tmp_path):
    base = tmp_path / "base.py"
    base.write_text("a = dict(b=[[dict(x=1), dict(x=2)], 3], c=(dict(y=1), 5))\nd = 1\n")
    child = tmp_path / "child.py"
    values = {"a.b.0.1.x": 7, "a.c.0.y": "text", "d": None}
    child.write_text(config_text("./base.py", Config.fromfile(base), values))
    assert Config.fromfile(child).to_dict() == {
        "a": {"b": [[{"x": 1}, {"x": 7}], 3], "c": [{"y": "text"}, 5]},
        "d": None,
    }


@pytest.mark.slow
def test_two_real_trials(space, tmp_path):
    """Draws, trains and tests for real; the chosen config's test has val's threshold."""
    data, out = tmp_path / "scenes", tmp_path / "out"
    sizes = ["--train", "8", "--val", "6", "--test", "6"]
    make = ROOT / "tools/dataset_converters/make_toy.py"
    subprocess.run([sys.executable, make, "--out", data, *sizes], check=True)
    roots = [f"{split}_dataloader.dataset.data_root={data}" for split in ("train", "val", "test")]
    space.write_text("lr: {keys: optim_wrapper.optimizer.lr, log_uniform: [1e-3, 0.1]}")
    options = ("train_cfg.max_epochs=1", "train_dataloader.batch_size=4", *roots)
    words = (ADL, "--space", space, "--out", out, "--trials", 2, "--cfg-options", *options)
    assert load_tool().main([str(word) for word in words]) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["finished"] == 2
    assert result["test"]["stamp"]["threshold"]["source"] == "val"
    values = [float(row["wsol/max_box_acc_v2"]) for row in rows(out)]
    assert max(values) == result["best"]["val"]
    histories = [json.loads(p.read_text())["history"] for p in out.glob("runs/*/trained.json")]
    trained = [history["1"] for history in histories]
    assert sorted(facts["max_box_acc_v2"] for facts in trained) == sorted(values)
    tests = list(out.glob("runs/*/test-*"))
    assert len(tests) == 1
