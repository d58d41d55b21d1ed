"""head_to_head.py: its table, and a figure that is drawn once."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from studies.harness import run as experiments
from studies.harness import trial as trials
from studies.toy.methods import METHODS

TOOL = Path(__file__).resolve().parents[3] / "studies/toy/head_to_head.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("head_to_head", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compare(tool, monkeypatch, tmp_path):
    """Runs the tool; CAM gives 50 and the others 60, plus the seed; SPG takes no time."""
    commands, broken = [], set()

    def run_trials(wanted, root, jobs):
        results = []
        for trial in wanted:
            folder = experiments.trial_folder(trial, root) / "train"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "best_x_epoch_4.pth").touch()
            value = (50.0 if "/cam/" in trial.config else 60.0) + trial.seed
            metrics = dict.fromkeys(tool.METRIC_NAMES, value)
            metrics |= {"trivial_centre": 30.0, "trivial_centre_iou50": 35.0}
            seconds = None if "/spg/" in trial.config else 40.0
            result = {"metrics": metrics, "train_seconds": seconds, "seed": trial.seed}
            result["stamp"] = {"threshold": {"source": "val"}}
            results.append(None if trial.config in broken else result)
        return results

    def run(command, check):
        commands.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(tool, "run_trials", run_trials)
    monkeypatch.setattr(tool, "subprocess", SimpleNamespace(run=run))

    def call(*words):
        return tool.main(["--out", str(tmp_path), *map(str, words)]), commands

    call.broken = broken
    return call


def test_one_table_of_seven_methods(compare, tmp_path):
    code, _ = compare("--seeds", 0, 2)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert code == 0
    assert [line.split("|")[1].strip() for line in lines[2:11]] == [
        *METHODS,
        "best centred box",
        "whole image",
    ]
    assert lines[2] == "| CAM | " + " | ".join(["51.0"] * 7) + " | 40.0 | 2 |"
    assert lines[5].endswith("| 61.0 |  | 2 |")  # SPG was cut off
    assert lines[9] == "| best centred box | 30.0 |  | 35.0 |  | 35.0 |  |  |  | 2 |"
    assert "Top-1 Loc from val" in lines[-1]


def test_the_figure_shows_the_first_seed_and_is_drawn_once(compare, tmp_path):
    words = ("--seeds", 1, 0, "--methods", "CAM", "ADL", "--images", 3)
    _, commands = compare(*words)
    (command,) = commands
    assert command[1:3] == ["-m", "studies.decomposition"]
    models = [command[i + 1 : i + 4] for i, word in enumerate(command) if word == "--model"]
    assert [name for name, _, _ in models] == ["CAM", "ADL"]
    assert all("seed1" in config and config.endswith("/config.py") for _, config, _ in models)
    assert all(path.endswith("/train/best_x_epoch_4.pth") for _, _, path in models)
    assert command[-4:] == ["--out", str(tmp_path / "maps"), "--images", "3"]
    assert set(json.loads((tmp_path / "maps.json").read_text())["trials"]) == {"CAM", "ADL"}
    assert compare(*words) == (0, commands)
    assert len(commands) == 1
    compare(*words[:-1], 5)
    assert len(commands) == 2


def test_a_failed_method_leaves_the_table_but_no_figure(compare, tmp_path):
    compare.broken.add(METHODS["SPG"].config)
    code, commands = compare()
    assert (code, commands) == (1, [])
    assert "| SPG |  |  |  |  |  |  |  |  | 0 |" in (tmp_path / "table.md").read_text()


def test_the_methods_train_alike():
    """Same data, batch and schedule; every config is the toy one of its own folder."""
    first = trials.resolved_config(METHODS["CAM"])
    for trial in METHODS.values():
        cfg = trials.resolved_config(trial)
        for key in ("param_scheduler", "train_cfg", "test_dataloader"):
            assert cfg[key] == first[key], (trial.config, key)
        assert cfg.train_dataloader.batch_size == first.train_dataloader.batch_size
