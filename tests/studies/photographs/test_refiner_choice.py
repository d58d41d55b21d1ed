"""Settings of refiners: chosen by val's numbers, with the test split away, and read by rows."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from studies.photographs import refiners
from studies.photographs.rows import BENCHES, CHOSEN, chosen_chains
from wsol_mm.functional.sgrm_labels import SGRM_PRESETS, SGRMSettings


def test_the_narrow_preset_is_what_val_chose():
    chosen = json.loads(CHOSEN.read_text())["SGRM"]["chosen"]
    narrow = SGRM_PRESETS["narrow"]
    assert SGRMSettings(**chosen) == replace(narrow, train_scale=chosen["train_scale"])


def args(tmp_path, **keys):
    return SimpleNamespace(**{"out": tmp_path, "seeds": [0, 1], "keep": True, **keys})


def test_the_best_on_val_is_chosen_and_the_test_split_is_not_read(bench, tmp_path, monkeypatch):
    for path in [*tmp_path.rglob("test"), *tmp_path.rglob("test.*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setattr(refiners, "BENCHES", {"birds": bench})
    grids = {
        "ARM": tuple({"neighbours": 8, "iterations": n} for n in (0, 3)),
        "SGRM": tuple({"max_iterations": 2, "train_scale": 0.25, "mask": m} for m in ("network",)),
    }
    monkeypatch.setattr(refiners, "GRIDS", grids)
    assert refiners.choose_refiners(args(tmp_path), tmp_path / "kept") == 0
    found = json.loads((tmp_path / "kept/refiners.json").read_text())
    assert found["seeds"] == [0]  # the other is not trained
    assert set(found["CAM"]) == set(refiners.KEPT_METRICS)
    assert [entry["settings"] for entry in found["ARM"]["grid"]] == list(grids["ARM"])
    best = max(found["ARM"]["grid"], key=lambda entry: entry[refiners.METRIC])
    assert found["ARM"]["chosen"] == best["settings"]
    assert chosen_chains(tmp_path / "kept/refiners.json") == {
        "ARM, chosen on val": [{"type": "wsol_mm.ARM", **best["settings"]}],
        "ARM + SGRM, chosen on val": [
            {"type": "wsol_mm.ARM", **best["settings"]},
            {"type": "wsol_mm.SGRM", **grids["SGRM"][0]},
        ],
    }


def test_nothing_trained_chooses_nothing(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(refiners, "BENCHES", {"birds": bench})
    assert refiners.choose_refiners(args(tmp_path, seeds=[5]), tmp_path / "kept") == 1
    assert "left out: seed 5" in capsys.readouterr().out
    assert not (tmp_path / "kept/refiners.json").exists()


def test_numbers_are_the_evaluators_and_the_default_wins_ties(monkeypatch):
    numbers = {None: 50.0, 48: 50.0, 8: 50.0, "lcar": 49.0}

    def judge(samples, chain):
        settings = chain[-1]
        value = numbers[settings.get("preset", settings.get("neighbours"))]
        return {refiners.METRIC: value + samples, "gt_known_iou70": 10.0}

    monkeypatch.setattr(refiners, "judge", judge)
    found = refiners.choose("ARM", [], {0: 1, 1: 3})
    assert found["chosen"] == refiners.GRIDS["ARM"][0]
    assert found["grid"][0][refiners.METRIC] == 52.0


def test_rows_take_what_is_kept():
    chains = chosen_chains()
    assert "ARM + SGRM, chosen on val" in chains
    for name in ("birds", "pets", "ilsvrc"):
        for label, chain in chains.items():
            row = BENCHES[name].row(f"CAM + {label}")
            assert row.test_options["model.refiners"] == chain
    with pytest.raises(KeyError, match="chosen"):
        BENCHES["tiny_imagenet"].row("CAM + ARM + SGRM, chosen on val")


def test_a_default_that_won_has_no_row_of_its_own(tmp_path):
    file = tmp_path / "refiners.json"
    kept = {"ARM": {"chosen": {}}, "SGRM": {"chosen": {"mask": "vote"}}}
    file.write_text(json.dumps(kept))
    chain = [{"type": "wsol_mm.ARM"}, {"type": "wsol_mm.SGRM", "mask": "vote"}]
    assert chosen_chains(file) == {"ARM + SGRM, chosen on val": chain}
    assert chosen_chains(tmp_path / "none.json") == {}
