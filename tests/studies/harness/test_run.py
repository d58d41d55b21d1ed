"""Trials: keys, stages that run once, failures, and one real run."""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from studies.harness import run as experiments
from studies.harness import trial as trials
from studies.harness.run import TrialError, run_trial, run_trials
from studies.harness.store import result_file
from studies.harness.trial import PseudoBoxes, Trial, trial_key
from wsol_mm.apis.box_files import file_sha256

CAM = Trial("configs/cam/resnet18_toy.py")


class Tools:
    """Stands for the repository's tools: writes what they write and remembers the calls."""

    def __init__(self):
        self.calls, self.lock, self.broken, self.top = [], threading.Lock(), "", 0
        self.running = 0

    def __call__(self, path, words, *, log, lock, threads):
        tool = path.name
        with self.lock:
            self.calls.append((tool, words, threads))
            self.running += 1
            self.top = max(self.top, self.running)
        time.sleep(0.02)  # so that jobs meet
        value = dict(itertools.pairwise(words))
        code = 0
        if self.broken and any(self.broken in word for word in words):
            with log.open("a") as file:
                file.write("RuntimeError: the machine is on fire\n")
            code = 3
        elif tool == "make_toy.py":
            Path(value["--out"]).mkdir()
        elif tool == "train.py":
            self.train(Path(value["--work-dir"]))
        elif tool == "pseudo_boxes.py":
            Path(value["--out"]).touch()
        else:
            self.test(Path(value["--out"]), Config.fromfile(words[0]))
        with self.lock:
            self.running -= 1
        return code

    def train(self, folder):
        log = folder / "20260101" / "vis_data" / "scalars.json"
        log.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"loss": 1.0, "step": 4}]
        rows += [{"wsol/top1_cls": 90.0 + step, "step": step} for step in (2, 4, 6)]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for name in ("epoch_5", "epoch_6", "best_wsol_top1_loc_epoch_4"):
            (folder / f"{name}.pth").touch()
        (folder / "last_checkpoint").write_text("/moved/from/epoch_6.pth")

    def test(self, out, cfg):
        details = out.with_name("result_wsol.json")
        details.write_text(json.dumps({"stamp": {"threshold": {"source": "val"}}}))
        numbers = {"wsol/top1_cls": 95.0, "wsol/gt_known": 60.0 + cfg.randomness.seed}
        info = {"details": [str(details)], "records": [str(out.with_name("none.npz"))]}
        out.write_text(json.dumps({**numbers, "info": info}))

    def names(self):
        return [tool for tool, _, _ in self.calls]


@pytest.fixture
def tools(monkeypatch):
    fake = Tools()
    monkeypatch.setattr(experiments, "run_tool", fake)
    return fake


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dials": ("--objects", "3")},
        {"options": {"optim_wrapper.optimizer.lr": 0.1}},
        {"options": {"param_scheduler.1.end": 8}},
        {"test_options": {"test_evaluator.threshold": 0.2}},
        {"data_root": "somewhere/cub_mini"},
    ],
)
def test_what_moves_a_number_moves_the_key(change):
    assert trial_key(replace(CAM, **change)) != trial_key(CAM)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"work_dir": "elsewhere"}},
        {"options": {"default_hooks.logger.interval": 7}},
        {"options": {"train_dataloader.dataset.data_root": "elsewhere"}},
        {"options": {"optim_wrapper.optimizer.lr": 0.05}},  # what the config says anyway
        {"config": str(trials.ROOT / CAM.config)},
    ],
)
def test_what_moves_no_number_leaves_the_key(change):
    assert trial_key(replace(CAM, **change)) == trial_key(CAM)


def test_test_options_share_the_training(tmp_path):
    shown = replace(CAM, test_options={"test_evaluator.threshold": 0.2})
    assert trial_key(shown, test=False) == trial_key(CAM)
    assert experiments.trial_folder(shown, tmp_path) == experiments.trial_folder(CAM, tmp_path)
    assert result_file(shown, tmp_path) != result_file(CAM, tmp_path)


def test_scales_of_a_test_ask_the_tool_for_its_views(tools, tmp_path):
    run_trials([CAM, replace(CAM, test_options={"tta_scales": (1, 2)})], tmp_path)
    assert ["--tta" in words for name, words, _ in tools.calls if name == "test.py"] == [
        False,
        True,
    ]


def test_the_last_checkpoint_shares_the_training_and_is_another_result(tools, tmp_path):
    last = replace(CAM, checkpoint="last")
    assert trial_key(last, test=False) == trial_key(CAM, test=False)
    assert trial_key(last) != trial_key(CAM)
    chosen, newest = run_trials([CAM, last], tmp_path)
    assert tools.names() == ["make_toy.py", "train.py", "test.py", "test.py"]
    assert [Path(words[1]).name for _, words, _ in tools.calls[2:]] == [
        "best_wsol_top1_loc_epoch_4.pth",
        "epoch_6.pth",
    ]
    assert (chosen["epoch"], chosen["val"]) == (4, {"top1_cls": 94.0})
    assert (newest["epoch"], newest["val"]) == (6, {"top1_cls": 96.0})
    with pytest.raises(ValueError, match="expected 'val', 'last' or a file"):
        replace(CAM, checkpoint="best")


def test_the_same_data_elsewhere_is_the_same_trial():
    here, there = (replace(CAM, data_root=f"{folder}/cub_mini") for folder in ("a", "b"))
    assert trial_key(here) == trial_key(there)


def test_an_override_of_a_part_that_is_not_there_is_refused():
    with pytest.raises(KeyError, match=r"cam/resnet18_toy.py has no model.erasing to set it in"):
        trial_key(replace(CAM, options={"model.erasing.loss_weight": 0}))
    with pytest.raises(FileNotFoundError, match=r"config nowhere\.py does not exist"):
        trial_key(replace(CAM, config="nowhere.py"))
    with pytest.raises(ValueError, match="takes no dials"):
        Trial("c.py", dials=("--objects", "2"), data_root="data/CUB_200_2011")


def test_a_trial_runs_its_stages_and_keeps_everything(tools, tmp_path):
    options = {"train_dataloader.dataset.pseudo_boxes": "{data}/boxes.json"}
    trial = replace(CAM, options=options, seed=2, dials=("--objects", "3"))
    result = run_trial(trial, tmp_path, threads=1)

    assert tools.names() == ["make_toy.py", "train.py", "test.py"]
    (_, draw, _), (_, train, threads), (_, test, _) = tools.calls
    scenes = Path(draw[1])
    assert draw[2:] == ["--seed", "2", "--objects", "3"]
    assert threads == 1
    assert "--resume" in train
    cfg = Config.fromfile(train[0])
    assert cfg.randomness.seed == 2
    assert cfg.train_dataloader.dataset.pseudo_boxes == f"{scenes}/boxes.json"
    for split in ("train", "val", "test"):
        assert cfg[f"{split}_dataloader"].dataset.data_root == str(scenes)
    assert Path(test[1]).name == "best_wsol_top1_loc_epoch_4.pth"
    left = {path.name for path in Path(test[1]).parent.glob("*.pth")}
    assert left == {"best_wsol_top1_loc_epoch_4.pth", "epoch_6.pth"}

    assert result["metrics"] == {"top1_cls": 95.0, "gt_known": 62.0}
    assert result["stamp"] == {"threshold": {"source": "val"}}
    assert (result["epoch"], result["val"]) == (4, {"top1_cls": 94.0})
    assert [result["history"][epoch]["top1_cls"] for epoch in "246"] == [92.0, 94.0, 96.0]
    assert (result["seed"], result["dials"]) == (2, ["--objects", "3"])
    assert (result["config"], result["options"]) == (CAM.config, options)
    assert result["train_seconds"] >= 0
    assert "processor" in result["machine"]
    assert result["checkpoint_sha256"] == file_sha256(test[1])
    assert json.loads(result_file(trial, tmp_path / "results").read_text()) == result
    assert str(tmp_path) not in json.dumps(result)


def test_finished_work_is_not_repeated(tools, tmp_path):
    first = run_trial(CAM, tmp_path)
    assert run_trial(CAM, tmp_path) == first
    assert len(tools.calls) == 3
    run_trial(replace(CAM, test_options={"test_evaluator.threshold": 0.2}), tmp_path)
    run_trial(replace(CAM, options={"optim_wrapper.optimizer.lr": 0.1}), tmp_path)
    assert tools.names()[3:] == ["test.py", "train.py", "test.py"]  # scenes are shared
    assert run_trial(CAM, tmp_path / "other", kept=tmp_path / "results") == first
    assert len(tools.calls) == 6


def test_inputs_come_first_and_from_the_same_data(tools, tmp_path):
    backbone = {"model.detector.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "{cam}"}}
    boxes = {"train_dataloader.dataset.pseudo_boxes": "{boxes}"}
    detector = Trial(
        "configs/wend/faster_rcnn_r18_toy.py",
        {**backbone, **boxes},
        seed=3,
        dials=("--objects", "2"),
        inputs={"cam": replace(CAM, seed=7), "boxes": PseudoBoxes(CAM, "otsu")},
    )
    result = run_trial(detector, tmp_path)
    order = ["make_toy.py", "train.py", "pseudo_boxes.py", "train.py", "test.py"]
    assert tools.names() == order  # one CAM serves both inputs
    _, (_, first, _), (_, drawn, _), (_, train, _), _ = tools.calls
    cam, cfg = Config.fromfile(first[0]), Config.fromfile(train[0])
    assert cam.randomness.seed == 3
    assert cam.train_dataloader.dataset.data_root == cfg.train_dataloader.dataset.data_root
    chosen = Path(first[0]).parent / "train/best_wsol_top1_loc_epoch_4.pth"
    assert cfg.model.detector.backbone.init_cfg.checkpoint == str(chosen) == drawn[1]
    assert drawn[2:6] == ["--threshold", "otsu", "--split", "train"]
    assert cfg.train_dataloader.dataset.pseudo_boxes == drawn[7]
    assert result["inputs"]["boxes"]["key"][1] == "otsu"
    assert result["inputs"]["cam"]["config"] == CAM.config
    files = {"cam": chosen, "boxes": Path(drawn[7])}
    hashes = {name: given["sha256"] for name, given in result["inputs"].items()}
    assert hashes == {name: file_sha256(file) for name, file in files.items()}

    keys = {trial_key(replace(detector, inputs=inputs)) for inputs in (
        detector.inputs,
        {**detector.inputs, "boxes": PseudoBoxes(CAM)},
        {**detector.inputs, "cam": replace(CAM, options={"optim_wrapper.optimizer.lr": 1})},
    )}  # fmt: skip
    assert len(keys) == 3
    assert trial_key(replace(CAM, inputs={})) == trial_key(CAM)
    again = replace(detector, inputs={"cam": CAM, "boxes": PseudoBoxes(detector, None)})
    assert trial_key(again) not in keys
    run_trial(again, tmp_path)
    ((_, drawn, _), *_) = tools.calls[len(order) :]
    assert drawn[2:4] == ["--split", "train"]  # a detector has no threshold
    assert Path(drawn[0]).parent == Path(train[0]).parent
    with pytest.raises(ValueError, match="call the input otherwise"):
        replace(CAM, inputs={"data": CAM})


def test_a_run_that_was_cut_off_goes_on_and_has_no_time(tools, tmp_path):
    work_dir = experiments.trial_folder(CAM, tmp_path) / "train"
    work_dir.mkdir(parents=True)
    (work_dir / "last_checkpoint").write_text("epoch_5.pth")
    assert run_trial(CAM, tmp_path)["train_seconds"] is None


def test_two_processes_of_one_trial_train_once(tools, tmp_path):
    both = [threading.Thread(target=run_trial, args=(CAM, tmp_path)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(tools.names()) == ["make_toy.py", "test.py", "train.py"]


def test_a_failed_stage_names_its_log(tools, tmp_path):
    tools.broken = "--resume"
    with pytest.raises(TrialError, match=r"train.py ended with 3, log .*log.txt: Runtime"):
        run_trial(CAM, tmp_path)
    tools.broken = ""
    assert run_trial(CAM, tmp_path)["metrics"]["top1_cls"] == 95.0


def test_no_chosen_checkpoint_is_an_error(tmp_path):
    with pytest.raises(TrialError, match="expected one best"):
        experiments.best_checkpoint(tmp_path)


def test_trials_run_at_once_in_order_and_past_failures(tools, tmp_path, capsys):
    several = [replace(CAM, seed=seed) for seed in (2, 0, 1, 0)]
    several.insert(1, replace(CAM, config="configs/cam/nothing.py"))
    tools.broken = experiments.trial_folder(replace(CAM, seed=1), tmp_path).name
    results = run_trials(several, tmp_path, jobs=2)
    known = [result and result["metrics"]["gt_known"] for result in results]
    assert known == [62.0, None, 60.0, None, 60.0]
    assert tools.names().count("train.py") == 3  # the equal trial ran once
    assert tools.top == 2
    assert all(threads == 1 for _, _, threads in tools.calls)
    out = capsys.readouterr().out
    assert "[5/5] " in out
    assert "top1_cls 95.0, gt_known 62.0" in out
    assert out.count("failed: Trial(") == 2
    assert "config configs/cam/nothing.py does not exist" in out
    assert "log.txt: RuntimeError: the machine is on fire" in out


def test_threads_parse_one_config_at_a_time(tmp_path, monkeypatch):
    """Python 3.11's ast.parse fails now and then where two threads are in it."""
    inside, most = [], []

    def parse(path):
        inside.append(path)
        most.append(len(inside))
        time.sleep(0.05)
        inside.remove(path)
        return Config({"randomness": {}})

    monkeypatch.setattr(Config, "fromfile", parse)
    files = [tmp_path / f"{i}.py" for i in range(4)]
    for file in files:
        file.touch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(trials.resolved_config, [Trial(str(file)) for file in files]))
    assert most == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_real_trial(tmp_path):
    """Eight scenes, one epoch of a slim network."""
    options = {
        "train_cfg.max_epochs": 1,
        "train_dataloader.batch_size": 4,
        "model.backbone.base_channels": 4,
        "model.head.in_channels": 32,
        **{f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")},
    }
    dials = ("--train", "8", "--val", "6", "--test", "6")
    result = run_trial(Trial("configs/cam/resnet18_toy.py", options, dials=dials), tmp_path)
    assert result["stamp"]["threshold"]["source"] == "val"
    assert result["metrics"]["threshold"] == result["val"]["best_threshold_iou50"]
    assert 0 <= result["metrics"]["max_box_acc_v2_iou70"] <= 100
    assert result["epoch"] == 1
    assert result["train_seconds"] > 0
    right = result["images"]["max_box_acc_v2_iou50"].count("1")
    assert right / 6 * 100 == pytest.approx(result["metrics"]["max_box_acc_v2_iou50"])
    assert result["images"]["gt_known"].count("1") / 6 * 100 == pytest.approx(
        result["metrics"]["gt_known"]
    )
