"""benchmarks/training.py runs, and counts images by the time of a step."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import page, training
from benchmarks.record import Record, read_record


def test_quick(capsys):
    rows = training.main(["--quick"])
    assert [row["method"] for row in rows] == list(training.METHODS)
    assert all(row["images_per_second"] > 0 for row in rows)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == rows


def test_a_step_of_two_images_in_half_a_second_is_four_a_second(monkeypatch, tmp_path):
    def half_a_second(calls, *_, wall):
        assert wall
        return {name: [500.0] for name in calls}

    monkeypatch.setattr(training, "take_turns", half_a_second)
    still = SimpleNamespace(train=lambda: None)
    monkeypatch.setattr(training, "subject", lambda *_: still)
    monkeypatch.setattr(training, "BATCH", 2)
    rows = training.main(["--results", str(tmp_path)])
    assert rows[0] == {"method": "CAM", "images_per_second": pytest.approx(4.0), **mixed(rows)}
    (file,) = tmp_path.iterdir()
    assert read_record(file).row("CAM")["images_per_second"] == 4.0
    assert file.stem.removeprefix("training_") in ("cpu", "cuda")


def mixed(rows):
    """Of a GPU alone."""
    return {"mixed": pytest.approx(4.0)} if "mixed" in rows[0] else {}


def test_the_page_has_devices_side_by_side():
    shared = {"network": "N", "batch": 2, "side": 8, "rounds": 3}
    rows = {"cpu": {"images_per_second": 4.0}, "cuda": {"images_per_second": 400.0, "mixed": 900.0}}
    records = {
        name: Record(name, "", {**shared, "where": name}, [{"method": "CAM", **row}], {}, "", "")
        for name, row in rows.items()
    }
    text = page.training(records)
    assert "| images per second of | cpu | cuda | cuda, mixed precision |" in text
    assert "| CAM | 4 | 400 | 900 |" in text
