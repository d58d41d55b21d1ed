"""benchmarks/training.py runs, and counts images by the time of a step."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import training
from benchmarks.record import read_record


def test_quick(capsys):
    found = training.main(["--quick"])
    assert set(found) >= {"CAM", "BridgeGap", "CI-CAM"}
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["images_per_second"] == found


def test_a_step_of_two_images_in_half_a_second_is_four_a_second(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "take_turns", lambda calls, *_: {name: [500.0] for name in calls})
    still = SimpleNamespace(train=lambda: None)
    monkeypatch.setattr(training, "subject", lambda *_: still)
    monkeypatch.setattr(training, "BATCH", 2)
    found = training.main(["--results", str(tmp_path)])
    assert found["CAM"] == pytest.approx(4.0)
    (file,) = tmp_path.iterdir()
    record = read_record(file)
    assert record.row("CAM")["images_per_second"] == 4.0
    assert file.stem.removeprefix("training_") in ("cpu", "cuda")
