"""The bench of photographs: whole rows, choices on val alone, a page that says what was found."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from studies.harness.report import block_of
from studies.harness.store import keep
from studies.harness.trial import resolved_config, trial_key
from studies.photographs import __main__ as command
from studies.photographs import report, search
from studies.photographs.data import prepare
from studies.photographs.rows import BENCHES, OPEN, Row

ROWS = [
    pytest.param(bench, row, id=f"{name}-{row.name}")
    for name, bench in BENCHES.items()
    for row in bench.rows
]
DATA = Path("data")


@pytest.mark.parametrize(("bench", "row"), ROWS)
def test_options_reach_the_config_and_move_the_key(bench, row):
    trial = bench.trial(row, 0, DATA)
    cfg = resolved_config(trial, test=True)
    assert cfg.test_dataloader.num_workers == 0
    if row.baseline:
        assert trial_key(trial) != trial_key(bench.trial(bench.row(row.baseline), 0, DATA))
    reads_boxes = cfg.train_dataloader.dataset.get("supervision") == "boxes"
    assert reads_boxes == row.notes.startswith("upper bound, no method")
    if row.warm:
        assert cfg.train_cfg.val_begin == row.warm + 1 <= cfg.train_cfg.max_epochs
        assert cfg.default_hooks.warm_stage.epochs == row.warm
    elif "warm_stage" in cfg.default_hooks:
        pytest.fail(f"{row.name} has a warm stage that val may choose from")


@pytest.mark.parametrize("name", BENCHES)
def test_rows_have_names_of_their_own_and_the_same_length(name):
    bench = BENCHES[name]
    assert len({row.name for row in bench.rows}) == len(bench.rows)
    assert all(row.seeds >= 3 for row in bench.rows) or bench.test_only
    lengths = {
        resolved_config(bench.trial(row, 0, DATA)).train_cfg.max_epochs for row in bench.rows
    }
    assert lengths <= {1, 6, 8, 12}
    assert set(report.HEADLINE.get(name, ())) <= {row.name for row in bench.rows}


def test_trials_come_seed_by_seed_with_both_checkpoints():
    bench = BENCHES["birds"]
    trials = command.wanted(bench, ["CAM", "BridgeGap"], [3, 4], DATA)
    assert [(trial.seed, trial.checkpoint) for trial in trials] == [
        (seed, kind) for seed in (3, 4) for _ in range(2) for kind in ("last", "val")
    ]
    assert {trial.data_root for trial in trials} == {"data/birds-seed3/CUB", "data/birds-seed4/CUB"}


@pytest.mark.parametrize(("words", "kept"), [([], command.KEPT), (["--again"], None)])
def test_what_the_repository_has_kept_is_run_when_asked_for_again(
    words, kept, tmp_path, monkeypatch
):
    asked = []

    def record(trials, root, jobs, **keys):
        asked.append(keys["kept"])
        return [{} for _ in trials]

    monkeypatch.setattr(command, "prepare", lambda *_: None)
    monkeypatch.setattr(command, "run_trials", record)
    rows = ["--bench", "birds", "--rows", "CAM", "--seeds", "0", "--out", str(tmp_path)]
    assert command.main(["run", *rows, *words]) == 0
    assert asked == [kept]


def test_what_is_not_trained_has_no_further_seeds():
    """Of the same weights a second seed would be the same test again."""
    bench = BENCHES["ilsvrc"]
    (trial,) = command.wanted(bench, ["Eigen-CAM"], [0, 1], DATA)
    assert trial.seed == 0
    assert command.wanted(bench, ["Eigen-CAM"], [1], DATA) == []
    assert len(command.wanted(BENCHES["pets"], ["CAM"], [0, 7], DATA)) == 4


@pytest.mark.parametrize("name", OPEN)
def test_what_three_seeds_leave_open_has_five_with_its_baseline(name):
    bench = BENCHES[name]
    rows = [bench.row(row) for row in OPEN[name]]
    assert all(row.seeds == 5 for row in rows)
    assert all(bench.row(row.baseline).seeds == 5 for row in rows if row.baseline)


def test_an_unknown_row_is_named():
    with pytest.raises(KeyError, match="no row 'CAMM'; rows are CAM, HaS"):
        BENCHES["birds"].row("CAMM")


def test_every_method_has_the_same_number_of_draws_from_its_own_ranges():
    for name, space in search.SPACES.items():
        found = search.draws(name, 8)
        assert len(found) == len({json.dumps(draw) for draw in found}) == 8
        assert found == search.draws(name, 8)
        row = search.tuned(BENCHES["birds"].row(name), found[0])
        resolved_config(BENCHES["birds"].trial(row, 0, DATA))  # every key is there
        for span in space.values():
            values = [span.draw(np.random.default_rng(seed)) for seed in range(50)]
            assert span.low * 0.99 <= min(values) < max(values) <= span.high * 1.01
    assert set(search.SPACES) >= {row.name for row in BENCHES["birds"].rows[:8]}


def test_the_choice_is_made_before_any_test(monkeypatch, tmp_path):
    """The draw with the best val number is tested; nothing is tested before."""
    tested = []

    def train(trial, root, *, threads=None):
        assert not tested, "a test ran before the choice"
        rate = trial.options[search.LR]
        return {"val": {"max_box_acc_v2": 100 * rate}}

    def run(trials, root, jobs, *, kept, stop_after):
        tested.extend(trials)
        return [None for _ in trials]

    monkeypatch.setattr(search, "SPACES", {"CAM": search.SPACES["CAM"]})
    monkeypatch.setattr(search, "train_trial", train)
    monkeypatch.setattr(search, "run_trials", run)
    monkeypatch.setattr(search, "prepare", lambda *_: None)
    args = SimpleNamespace(
        source=DATA, out=tmp_path, jobs=2, trials=4, seeds=[0, 1], keep=True, stop_after=None
    )
    assert search.search_all(args, tmp_path / "kept") == 1  # nothing came back from the tests
    best = max(search.draws("CAM", 4), key=lambda draw: draw[search.LR])
    assert {trial.options[search.LR] for trial in tested} == {best[search.LR]}
    assert [trial.seed for trial in tested] == [0, 0, 1, 1]
    found = json.loads((tmp_path / "kept/search.json").read_text())
    assert found["CAM"]["chosen"] == best
    assert len(found["CAM"]["draws"]) == 4
    # again: the kept draws are not trained a second time, a fifth one is
    monkeypatch.setattr(search, "train_trial", lambda trial, *_, **__: trained.append(trial) or val)
    trained, val = [], {"val": {"max_box_acc_v2": 0.0}}
    search.search_all(SimpleNamespace(**{**vars(args), "trials": 5}), tmp_path / "kept")
    assert [trial.options[search.LR] for trial in trained] == [
        search.draws("CAM", 5)[-1][search.LR]
    ]
    assert json.loads((tmp_path / "kept/search.json").read_text())["CAM"]["chosen"] == best


def test_birds_are_drawn_by_seed_without_overlap(shared_data, tmp_path):
    prepare(shared_data, tmp_path, [0, 1])
    lists = {}
    for seed in (0, 1):
        for part in ("CUB", "CUBV2"):
            rows = (tmp_path / f"birds-seed{seed}" / part / "images.txt").read_text().splitlines()
            lists[seed, part] = {row.split()[1] for row in rows}
        assert len(lists[seed, "CUBV2"]) == 36
        assert not lists[seed, "CUB"] & lists[seed, "CUBV2"]
        assert len(lists[seed, "CUB"]) == 323 - 36
    assert lists[0, "CUBV2"] != lists[1, "CUBV2"]
    assert (tmp_path / "tiny_imagenet_mini/train").is_dir()
    with pytest.raises(FileNotFoundError, match="name the folder above cub_mini"):
        prepare(tmp_path / "none", tmp_path, [0])


def result(hits, seed):
    digits = "".join("1" if index < hits else "0" for index in range(20))
    columns = {f"max_box_acc_v2_iou{iou}": digits for iou in (30, 50, 70)}
    return {
        "images": {"top1_cls": "1" * 20, "gt_known": digits, "top1_loc": digits, **columns},
        "metrics": {"trivial_centre_iou50": 40.0},
        "machine": {"processor": "x"},
        "epoch": 6,
        "train_seconds": 10.0 + seed,
    }


def test_the_page_shows_differences_and_their_intervals(tmp_path):
    bench = BENCHES["birds"]
    kept = tmp_path / "kept"
    found = [
        (bench.trial(bench.row(name), seed, DATA, kind), result(hits + (kind == "val"), seed))
        for name, hits in (("CAM", 10), ("BridgeGap", 15))
        for seed in range(3)
        for kind in ("last", "val")
    ]
    keep(kept / "birds.jsonl", found)
    report.write_pages(tmp_path, kept, tmp_path / "README.md")
    *_, line = block_of(tmp_path / "README.md", "photographs").splitlines()
    assert line.startswith("| BridgeGap | 100.0 | 75.0 | 75.0 | CAM | **+25.0 [")
    text = (tmp_path / "photographs.md").read_text()
    (line,) = [row for row in text.splitlines() if row.startswith("| BridgeGap |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["BridgeGap", "3", "100.0", "75.0"]
    assert cells[4].startswith("**+25.0 [")
    assert cells[5] == "80.0"
    assert "centred square has GT-known 40.0" in text
    assert "tiny_imagenet" not in text
    rows = (tmp_path / "photographs/birds.csv").read_text().splitlines()
    assert len(rows) == 5
    assert rows[3].startswith("BridgeGap,last,3,0 1 2,6 6 6,100.00")
    assert "BridgeGap" in (tmp_path / "photographs/birds.svg").read_text()


def test_seconds_of_a_training_are_the_cpus_where_there_are_any(tmp_path):
    bench = BENCHES["birds"]
    for name in ("CAM", "ADL"):
        for seed in range(3):
            found = result(10, seed)
            if name == "ADL" or seed == 2:  # 16 rows at once
                found["machine"]["accelerator"] = "a GPU"
                found["train_seconds"] = 1000.0
            keep(tmp_path / "birds.jsonl", [(bench.trial(bench.row(name), seed, DATA), found)])
    lines = {
        name: report.measure(bench, bench.row(name), "last", tmp_path) for name in ("CAM", "ADL")
    }
    assert {name: line.seconds() for name, line in lines.items()} == {"CAM": "10", "ADL": "1000"}


def test_masks_have_columns_of_their_own(tmp_path):
    bench = BENCHES["pets"]
    found = []
    for name, iou in (("CAM", 30.0), ("CAM + ARM", 40.0)):
        for seed in range(2):
            masked = result(10, seed)
            masked["images"]["max_mask_iou"] = [iou + seed] * 20
            masked["images"]["mask_iou"] = [iou - 10] * 20
            masked["metrics"]["pxap"] = 50.0 + seed
            found.append((bench.trial(bench.row(name), seed, DATA), masked))
    keep(tmp_path / "kept/pets.jsonl", found)
    report.write_pages(tmp_path, tmp_path / "kept")
    text = (tmp_path / "photographs/other_data.md").read_text()
    (line,) = [row for row in text.splitlines() if row.startswith("| CAM + ARM |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:2] == ["CAM + ARM", "2"]
    assert cells[-4:] == ["40.5", "**+10.0 [+10.0, +10.0]**", "30.0", "50.5"]
    assert "Mask IoU is a mean over images" in text
    head, *rows = (tmp_path / "photographs/pets.csv").read_text().splitlines()
    columns = head.split(",")
    assert {"mask IoU difference", "mask IoU difference low", "PxAP"} <= set(columns)
    assert len(set(columns)) == len(columns)
    assert {"40.50", "50.5"} <= set(rows[1].split(","))


def test_an_upper_bound_says_so_in_table_and_picture(tmp_path, monkeypatch):
    bench = BENCHES["birds"]
    found = [
        (bench.trial(bench.row(name), 0, DATA), result(hits, 0))
        for name, hits in (("CI-CAM", 10), ("CI-CAM, pool of true boxes", 15))
    ]
    keep(tmp_path / "kept/birds.jsonl", found)
    # a bound stands among what takes methods apart; were it drawn, it would say so
    monkeypatch.setitem(report.HEADLINE, "birds", ("CI-CAM", "CI-CAM, pool of true boxes"))
    report.write_pages(tmp_path, tmp_path / "kept")
    text = (tmp_path / "photographs.md").read_text()
    assert "| CI-CAM, pool of true boxes (upper bound) | 1 |" in text
    assert "| CI-CAM | 1 |" in text
    assert "(upper bound)" in (tmp_path / "photographs/birds.svg").read_text()
    *_, bound = block_of(tmp_path / "photographs/taken_apart.md", "photographs_ci_cam").splitlines()
    assert bound.startswith("| CI-CAM, pool of true boxes (upper bound) | 1 |")
    assert bound.endswith("| CI-CAM |")  # what it is compared with
    assert "(upper bound)" in (tmp_path / "photographs/taken_apart.svg").read_text()
    assert not (tmp_path / "photographs/detectors.svg").exists()  # none is measured


def test_vals_epoch_stands_beside_the_last_with_the_seeds_that_have_both(tmp_path):
    bench = BENCHES["birds"]
    hits = {  # right of 20 images, by row, checkpoint and seed
        ("CAM", "last"): (10, 10, 10),
        ("CAM", "val"): (11, 11, 11),  # 5 points more
        ("HaS", "last"): (8, 8, 8),
        ("HaS", "val"): (None, 8, 14),  # 0 and 30 points more
        ("CAM + ARM", "last"): (10, 10, 10),
        ("CAM + ARM", "val"): (0, 0, 0),  # CAM's training: does not count again
        ("DDT", "last"): (10, 10, 10),
        ("DDT", "val"): (0, 0, 0),  # a frozen network
    }
    found = [
        (bench.trial(bench.row(name), seed, DATA, checkpoint), result(right, seed))
        for (name, checkpoint), seeds in hits.items()
        for seed, right in enumerate(seeds)
        if right is not None
    ]
    keep(tmp_path / "kept/birds.jsonl", found)
    report.write_pages(tmp_path, tmp_path / "kept")
    lines = block_of(tmp_path / "photographs.md", "photographs_birds").splitlines()
    (cam,) = [line for line in lines if line.startswith("| CAM |")]
    (has,) = [line for line in lines if line.startswith("| HaS |")]
    assert cam.split("|")[6].strip() == "55.0"
    assert has.split("|")[6].strip() == "55.0 (2)"  # of two seeds, where the last epoch has three
    table = block_of(tmp_path / "photographs/taken_apart.md", "photographs_val_epoch")
    *_, line = table.splitlines()
    # seed 0 has CAM's 5, seed 1 the mean of 5 and 0, seed 2 that of 5 and 30
    assert line.startswith("| birds: localizers | 2 | 3 | +8.3 [")
    rows = (tmp_path / "photographs/birds.csv").read_text().splitlines()
    assert any(row.startswith("HaS,val,2,1 2,") for row in rows)


def test_settings_of_refiners_are_shown_with_the_choice(tmp_path):
    numbers = {"max_box_acc_v2": 60.0, "gt_known_iou70": 20.0}
    grid = [{"settings": {}, **numbers}, {"settings": {"neighbours": 8}, **numbers}]
    part = {"chosen": {"neighbours": 8}, "grid": grid}
    found = {"seeds": [1, 2], "CAM": numbers, "ARM": part, "SGRM": part}
    (tmp_path / "refiners.json").write_text(json.dumps(found))
    report.write_pages(tmp_path, tmp_path)
    lines = (tmp_path / "photographs/refiners.md").read_text().splitlines()
    assert "| CAM |  | 60.0 | 20.0 |" in lines
    assert "| CAM + ARM | its defaults | 60.0 | 20.0 |" in lines
    assert "| CAM + ARM + SGRM | **neighbours 8** | **60.0** | **20.0** |" in lines


def test_a_row_without_its_baseline_has_no_difference(tmp_path):
    bench = BENCHES["birds"]
    row = bench.row("HaS")
    keep(tmp_path / "birds.jsonl", [(bench.trial(row, 0, DATA), result(5, 0))])
    line = report.measure(bench, row, "last", tmp_path)
    assert line.levels["gt_known"].mean == 25
    assert line.differences == {}
    assert report.measure(bench, replace(row, name="x", config="cam"), "last", tmp_path) is None
    assert Row("x", "cam").seeds == 5


def at_one_threshold(name, right, seed=0):
    """A result whose boxes at val's threshold are all right at IoU .3 and all wrong at .7."""
    made = result(right, seed)
    ends = {"gt_known_iou30": "1" * 20, "gt_known_iou70": "0" * 20}
    made["images"] |= {"gt_known_iou50": made["images"]["gt_known"], **ends}
    bench = BENCHES["birds"]
    return bench.trial(bench.row(name), seed, DATA), made


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_detectors_and_their_makers_have_tables_of_their_own(tmp_path):
    hits = {"CAM": 8, "SCR on CAM's boxes": 12, "CAM, training images": 14}
    keep(tmp_path / "kept/birds.jsonl", [at_one_threshold(*item) for item in hits.items()])
    report.write_pages(tmp_path, tmp_path / "kept")
    page = tmp_path / "photographs/detectors.md"
    *_, map_, scr = map(cells_of, block_of(page, "photographs_detectors").splitlines())
    # at one threshold: (100 + 40 + 0) / 3 and (100 + 60 + 0) / 3; nothing at val's epoch
    assert map_ == ["the map that drew them", "46.7", *[""] * 8]
    assert scr[:2] == ["SCR", "53.3"]
    assert scr[2].strip("*").startswith("+6.7 [")
    assert scr[3:] == [""] * 7  # of the other two makers nothing
    assert "GT-known, CAM" in (tmp_path / "photographs/detectors.svg").read_text()
    *_, line = block_of(page, "photographs_makers").splitlines()
    assert line == "| CAM | 1 | 100.0 | 70.0 | 0.0 |"
    assert "SCR" not in block_of(tmp_path / "photographs.md", "photographs_birds")
    head, row = (tmp_path / "photographs/birds.csv").read_text().splitlines()[:2]
    found = dict(zip(head.split(","), row.split(","), strict=False))
    assert found["training s"] == "10"


def test_a_detector_with_one_thing_changed_stands_beside_what_it_changes(tmp_path):
    plain = "Faster R-CNN on CAM's boxes"
    found = [at_one_threshold(plain, 8), at_one_threshold(f"{plain}, relabelled once", 2)]
    found += [at_one_threshold("Faster R-CNN, eta alone on CAM's boxes", 11)]
    keep(tmp_path / "kept/birds.jsonl", found)
    report.write_pages(tmp_path, tmp_path / "kept")
    page = tmp_path / "photographs/detectors.md"
    *_, line = map(cells_of, block_of(page, "photographs_one_thing").splitlines())
    assert line[:3] == [f"{plain}, relabelled once", "1", "36.7"]
    assert line[3].strip("*").startswith("-10.0 [")
    assert line[4:] == ["", plain]
    *_, line = map(cells_of, block_of(page, "photographs_pairs").splitlines())
    assert line[0] == "Faster R-CNN, CAM's boxes"
    assert line[3].strip("*").startswith("+5.0 [")  # eta alone; of entropies nothing
    assert line[1:3] + line[4:] == [""] * 5


def test_entropies_are_compared_over_all_pairs_that_a_seed_has(tmp_path):
    plain, weighted = "{} on CAM's boxes", "{} with WE on CAM's boxes"
    found = [
        at_one_threshold(plain.format("FCOS"), 8, 0),
        at_one_threshold(weighted.format("FCOS"), 12, 0),  # 20 points more
        at_one_threshold(plain.format("FCOS"), 8, 1),
        at_one_threshold(weighted.format("FCOS"), 8, 1),
        at_one_threshold(plain.format("CLN"), 8, 0),
        at_one_threshold(weighted.format("CLN"), 8, 0),
        at_one_threshold(plain.format("CLN"), 20, 2),  # no pair
        at_one_threshold(weighted.format("Faster R-CNN"), 20, 0),  # no pair
    ]
    keep(tmp_path / "kept/birds.jsonl", found)
    report.write_pages(tmp_path, tmp_path / "kept")
    page = tmp_path / "photographs/detectors.md"
    _, _, line = block_of(page, "photographs_entropies").splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["WE", "2", "2"]
    assert cells[3].startswith("+5.0 [+0.0, ")  # seed 0 gains 20 and 0, seed 1 nothing
    assert cells[4].startswith("+1.7 [+0.0, ")
