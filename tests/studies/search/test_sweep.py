"""sweep.py: its points, what it writes, and presets that fit their configs."""

import csv
import importlib.util
import sys
from pathlib import Path

import cv2
import pytest

from studies.harness import trial as trials

TOOL = Path(__file__).resolve().parents[3] / "studies/search/sweep.py"
CAM = "configs/cam/resnet18_toy.py"
RATE, DECAY = "optim_wrapper.optimizer.lr", "optim_wrapper.optimizer.weight_decay"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("sweep_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sweep_tool"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sweep(tool, monkeypatch, tmp_path):
    """Runs the tool; a trial gives 1000 times its rate plus its seed, and fails at rate 0.3."""
    asked = []

    def run_trials(wanted, root, jobs):
        asked.extend(wanted)
        numbers = [1000 * trials.resolved_config(t).optim_wrapper.optimizer.lr for t in wanted]
        return [
            None
            if value == 300
            else {
                "seed": trial.seed,
                "metrics": dict.fromkeys(tool.METRIC_NAMES, value + trial.seed),
                "val": {"gt_known": value / 2},
            }
            for trial, value in zip(wanted, numbers, strict=True)
        ]

    monkeypatch.setattr(tool, "run_trials", run_trials)
    return lambda *words: (tool.main(["--out", str(tmp_path), *map(str, words)]), asked)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["a=0.1,1"], {"a": (0.1, 1)}),
        (["a=minmax,max"], {"a": ("minmax", "max")}),
        (["a=(1, 2),(3, 4)"], {"a": ((1, 2), (3, 4))}),
        (["a=True,None", "b.c=1"], {"a": (True, None), "b.c": (1,)}),
    ],
)
def test_reads_values(tool, words, values):
    assert tool.read_curve(words).values == values


@pytest.mark.parametrize("words", [["a"], ["=1"], ["a="], ["a=1", "a=2"], ["a=1", "b=1", "c=1"]])
def test_refuses_other_words(tool, words):
    with pytest.raises(ValueError, match="--key"):
        tool.read_curve(words)


def test_one_key(sweep, tmp_path):
    code, asked = sweep("--config", CAM, "--key", f"{RATE}=0.01,0.05", "--seeds", 0, 2)
    assert code == 0
    assert [(trial.options[RATE], trial.seed) for trial in asked] == [
        (0.01, 0),
        (0.01, 2),
        (0.05, 0),
        (0.05, 2),
    ]
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert (rows[1]["options"], rows[1]["seed"]) == (f"{RATE}=0.01", "2")
    assert (float(rows[1]["gt_known"]), float(rows[1]["val_gt_known"])) == (12.0, 5.0)
    text = (tmp_path / "sweep.md").read_text()
    # 10 and 12: mean 11, sd sqrt(2)
    assert "| lr | 0.01 | 11.0 ± 1.4 | 11.0 ± 1.4 |" in text
    assert "| lr | 0.05 (the config's) | 51.0 ± 1.4 |" in text
    assert cv2.imread(str(tmp_path / "sweep.png")) is not None


def test_two_keys_give_every_combination(sweep, tmp_path):
    code, asked = sweep("--config", CAM, "--key", f"{RATE}=0.01,0.02", "--key", f"{DECAY}=0,1e-4")
    assert code == 0
    points = [(trial.options[RATE], trial.options[DECAY]) for trial in asked]
    assert points == [(0.01, 0), (0.01, 1e-4), (0.02, 0), (0.02, 1e-4)]
    assert "| lr x weight_decay | 0.02 x 0.0001 | 20.0 |" in (tmp_path / "sweep.md").read_text()


def test_options_and_data_reach_every_trial(sweep, tmp_path):
    _, asked = sweep(
        *("--config", CAM, "--key", f"{RATE}=0.01,0.02", "--data-root", "some/data"),
        *("--cfg-options", "train_cfg.max_epochs=3"),
    )
    assert all(trial.data_root == "some/data" for trial in asked)
    assert all(trial.options["train_cfg.max_epochs"] == 3 for trial in asked)


def test_a_failed_trial_is_shown(sweep, tmp_path):
    code, _ = sweep("--config", CAM, "--key", f"{RATE}=0.01,0.3")
    assert code == 1
    assert (
        "| lr | 0.3 | failed | failed | failed | failed | 0 |"
        in (tmp_path / "sweep.md").read_text()
    )


@pytest.mark.parametrize(
    "words", [[], ["--config", CAM], ["--key", f"{RATE}=1"], ["--preset", "bridgegap_figure8",
     "--key", f"{RATE}=1"]]
)  # fmt: skip
def test_asks_for_what_to_vary(sweep, words, capsys):
    with pytest.raises(SystemExit) as stop:
        sweep(*words)
    assert stop.value.code == 2
    assert "expected --preset NAME, or --config FILE" in capsys.readouterr().err


def test_a_preset_varies_one_key_at_a_time(sweep, tool, tmp_path):
    code, asked = sweep("--preset", "bridgegap_figure8")
    assert code == 0
    preset = tool.PRESETS["bridgegap_figure8"]
    assert len(asked) == sum(len(curve.options()) for curve in preset.curves)
    for trial in asked:
        assert len(trial.options) - len(preset.trial.options) == 1
    assert preset.notes in (tmp_path / "sweep.md").read_text()
    assert cv2.imread(str(tmp_path / "sweep.png")).shape[1] > 1500


@pytest.mark.parametrize("config", ["", "configs/bridgegap/vgg16_cub.py"])
def test_presets_vary_keys_that_their_configs_have(tool, config):
    for preset in tool.PRESETS.values():
        trial = trials.Trial(config) if config else preset.trial
        cfg = trials.resolved_config(trial).to_dict()
        for curve in preset.curves:
            for key in curve.values:
                node = cfg
                for part in key.split("."):
                    node = node[part]
                assert isinstance(node, float), key
