"""tools/train.py and tools/test.py on a handful of toy scenes, for both parents."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tool_runs import CAM, ROOT, call, make_scenes, overrides

from wsol_mm.apis.command import strip_pretrained

DETECTOR = ROOT / "configs/wend/faster_rcnn_r18_toy_oracle.py"
IMAGES = 7  # an odd number: of two ranks one sees an image twice
# Two ranks see each image alone, as one rank does with batches of one, so maps agree to rounding;
# a map at the edge of a threshold may still turn over: one image of the split.
ONE_IMAGE = 100 / IMAGES


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_scenes(patch, tmp_path_factory.mktemp("toy") / "scenes", 8, IMAGES, IMAGES)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A CAM after one epoch."""
    folder = tmp_path_factory.mktemp("cam")
    with pytest.MonkeyPatch.context() as patch:
        call(patch, "train.py", CAM, "--work-dir", folder, *overrides(data))
    return folder


def test_train_writes_newest_and_best_checkpoint(trained, data):
    names = {path.name for path in trained.iterdir()}
    assert {"epoch_1.pth", "best_wsol_top1_loc_epoch_1.pth", "resnet18_toy.py"} <= names
    content = torch.load(trained / "best_wsol_top1_loc_epoch_1.pth", weights_only=False)
    assert content["state_dict"]["head.fc.weight"].shape[0] == 6


def test_resume_continues_and_prints_overrides(trained, data, monkeypatch, tmp_path, capsys):
    (tmp_path / "epoch_1.pth").write_bytes((trained / "epoch_1.pth").read_bytes())
    (tmp_path / "last_validation").write_text("1")
    (tmp_path / "last_checkpoint").write_text("/before/it/was/moved/epoch_1.pth")
    words = overrides(data, **{"train_cfg.max_epochs": 2, "note": 1})
    call(monkeypatch, "train.py", CAM, "--work-dir", tmp_path, "--resume", *words)
    printed = capsys.readouterr().out
    assert "override: train_cfg.max_epochs = 2 (was 12)" in printed
    assert "override: note = 1 (a new key)" in printed
    log = next(tmp_path.rglob("vis_data/scalars.json"))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert {row["epoch"] for row in rows if "loss" in row} == {2}
    assert (tmp_path / "epoch_2.pth").is_file()


def test_test_carries_the_val_threshold_over(trained, data, monkeypatch, tmp_path):
    checkpoint = trained / "epoch_1.pth"
    out, scores, pictures = tmp_path / "r.json", tmp_path / "s.npz", tmp_path / "pictures"
    call(
        monkeypatch,
        "test.py",
        *(CAM, checkpoint, "--work-dir", tmp_path, "--out", out, "--dump-scores", scores),
        *("--show-dir", pictures, *overrides(data)),
    )
    numbers = json.loads(out.read_text())
    assert numbers["info"]["checkpoint"] == str(checkpoint)
    details = json.loads(Path(numbers["info"]["details"][0]).read_text())
    assert details["stamp"]["threshold"]["source"] == "val"
    assert Path(numbers["info"]["records"][0]).is_file()
    kept = np.load(scores)
    assert kept["scores"].shape == (IMAGES, 6)
    # the images of the test, none of the validation
    assert len(list(pictures.rglob("*.png"))) == IMAGES

    # the val split alone, with the oracle threshold, chooses the same value
    words = overrides(data, **{"test_dataloader.dataset.split": "val"})
    call(
        monkeypatch,
        "test.py",
        *(CAM, checkpoint, "--work-dir", tmp_path, "--out", tmp_path / "v.pkl"),
        *("--threshold", "oracle", *words),
    )
    val = pickle.loads((tmp_path / "v.pkl").read_bytes())
    assert numbers["wsol/threshold"] == val["wsol/best_threshold_iou50"]
    assert val["wsol/gt_known"] == val["wsol/max_box_acc"]


def test_tta_averages_views_in_val_and_test(trained, data, monkeypatch, tmp_path):
    common = (CAM, trained / "epoch_1.pth", "--work-dir", tmp_path, "--tta")
    scales = {"tta_scales": "[1,0.5]"}
    call(
        monkeypatch,
        "test.py",
        *(*common, "--out", tmp_path / "r.json", "--dump-maps", tmp_path / "maps"),
        *overrides(data, **scales),
    )
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert numbers["info"]["tta"] is True
    maps = [np.load(file) for file in (tmp_path / "maps").rglob("*.npy")]
    assert [score_map.shape for score_map in maps] == [(96, 96)] * IMAGES
    words = overrides(data, **scales, **{"test_dataloader.dataset.split": "val"})
    call(
        monkeypatch,
        "test.py",
        *(*common, "--out", tmp_path / "v.json", "--threshold", "oracle", *words),
    )
    val = json.loads((tmp_path / "v.json").read_text())
    assert numbers["wsol/threshold"] == val["wsol/best_threshold_iou50"]


def test_a_detector_trains_and_tests(data, monkeypatch, tmp_path, capsys):
    words = overrides(data)
    call(monkeypatch, "train.py", DETECTOR, "--work-dir", tmp_path, "--no-pretrained", *words)
    assert "--no-pretrained: removed nothing, none was there" in capsys.readouterr().out
    out = tmp_path / "r.json"
    words = overrides(data)
    call(
        monkeypatch,
        "test.py",
        *(DETECTOR, tmp_path / "epoch_1.pth", "--work-dir", tmp_path, "--out", out, *words),
    )
    numbers = json.loads(out.read_text())
    assert 0 <= numbers["wsol/gt_known"] <= 100
    assert "wsol/multi_gt_known" in numbers


@pytest.mark.slow
def test_two_ranks_equal_one(trained, data, monkeypatch, tmp_path):
    words = overrides(data, **{"val_dataloader.batch_size": 1, "test_dataloader.batch_size": 1})
    common = (CAM, trained / "epoch_1.pth", "--work-dir", tmp_path)
    folders = one_maps, two_maps = tmp_path / "one", tmp_path / "two"
    outs = ["--out", tmp_path / "one.json", "--dump-maps", one_maps]
    call(monkeypatch, "test.py", *common, *outs, *words)
    outs = ["--out", tmp_path / "two.json", "--dump-maps", two_maps]
    arguments = [*common, *outs, "--launcher", "pytorch", *words]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, ROOT / "tools/test.py", *arguments], check=True, timeout=180)
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key in set(one) - {"info"}:
        assert two[key] == pytest.approx(one[key], abs=ONE_IMAGE + 1e-9), key
    assert two["wsol/pxap"] == pytest.approx(one["wsol/pxap"], abs=0.01)
    kept, others = (
        {file.relative_to(folder): file for file in folder.rglob("*.*") if file.is_file()}
        for folder in folders
    )
    assert kept.keys() == others.keys()
    assert len(kept) == IMAGES + 4
    for name, file in kept.items():
        if name.suffix == ".txt":
            assert others[name].read_text() == file.read_text()


@pytest.mark.parametrize(
    ("tool", "words", "message"),
    [
        ("train.py", ["nowhere.py"], "config nowhere.py does not exist"),
        ("train.py", [CAM, "--resume", "x.pth"], "--resume: checkpoint x.pth does not exist"),
        ("train.py", [CAM, "--seed", "-1"], "--seed -1: expected 0 or more"),
        ("train.py", [CAM, "--cfg-options", "model.head.type=wsol_mm.Nope"], "wsol_mm.Nope is not"),
        (
            "train.py",
            [CAM, "--cfg-options", "train_dataloader.dataset.data_root=nowhere"],
            "nowhere does not exist",
        ),
        ("test.py", [CAM, "x.pth"], r"checkpoint x.pth does not exist: tools/train.py"),
        ("test.py", [CAM, ROOT / "setup.py", "--out", "x.txt"], "ends in .json or .pkl"),
        ("test.py", [CAM, ROOT / "setup.py", "--threshold", "best"], "'best': expected oracle"),
        (
            "test.py",
            [CAM, ROOT / "setup.py", "--threshold", "0.2"],
            "setup.py is not a readable checkpoint",
        ),
    ],
)
def test_errors_are_one_line(tool, words, message, data, monkeypatch, tmp_path, capsys):
    splits = [f"{split}_dataloader.dataset.data_root={data}" for split in ("val", "test")]
    words = [*words, "--work-dir", tmp_path]
    if "--cfg-options" not in words:
        words += ["--cfg-options", f"train_dataloader.dataset.data_root={data}", *splits]
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, tool, *words)
    assert caught.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert message in error[0]


def test_amp_without_a_gpu_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("mmengine.device.get_device", lambda: "cpu")
    with pytest.raises(SystemExit):
        call(monkeypatch, "train.py", CAM, "--amp", "--work-dir", tmp_path)
    assert "--amp needs a GPU" in capsys.readouterr().err


def test_pretrained_weights_that_cannot_be_had(data, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    words = overrides(data)
    backbone = {"type": "Pretrained", "checkpoint": "http://localhost:9/w.pth"}
    words += [f"model.backbone.init_cfg.{key}={value}" for key, value in backbone.items()]
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, "train.py", CAM, "--work-dir", tmp_path, *words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "error: cannot download http://localhost:9/w.pth" in error
    assert "--no-pretrained" in error
    assert "Traceback" not in error


def test_a_bug_inside_a_step_keeps_its_traceback(data, monkeypatch, tmp_path):
    from wsol_mm.models.heads import CAMHead

    def broken(self, *args, **kwargs):
        raise ValueError("a bug")

    monkeypatch.setattr(CAMHead, "loss", broken)
    with pytest.raises(ValueError, match="a bug"):
        call(monkeypatch, "train.py", CAM, "--work-dir", tmp_path, *overrides(data))


def test_strip_pretrained_everywhere():
    pretrained = {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}
    model = Config(
        {
            "pretrained": "x.pth",
            "backbone": {"init_cfg": pretrained, "depth": 50},
            "neck": [{"init_cfg": [{"type": "Kaiming"}, {**pretrained, "type": "a.Pretrained"}]}],
            "teacher": {"backbone": {"pretrained": True}},
            "head": {"init_cfg": {"type": "Normal"}},
        }
    )
    assert strip_pretrained(model._cfg_dict) == [
        "model.pretrained",
        "model.backbone.init_cfg",
        "model.neck.0.init_cfg",
        "model.teacher.backbone.pretrained",
    ]
    assert model.to_dict() == {
        "pretrained": None,
        "backbone": {"depth": 50},
        "neck": [{"init_cfg": [{"type": "Kaiming"}]}],
        "teacher": {"backbone": {"pretrained": False}},
        "head": {"init_cfg": {"type": "Normal"}},
    }


@pytest.mark.parametrize("script", sorted((ROOT / "tools").glob("*.sh")))
def test_shell_scripts_print_their_usage(script):
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"tools/{script.name} " in done.stderr


@pytest.mark.parametrize("config", [CAM, DETECTOR])
def test_print_config(config, monkeypatch, tmp_path, capsys):
    saved = tmp_path / "c.py"
    words = (config, "--save", saved, "--cfg-options", "randomness.seed=7")
    call(monkeypatch, "misc/print_config.py", *words)
    assert "seed=7" in capsys.readouterr().out
    assert Config.fromfile(saved).randomness.seed == 7


def misfit(checkpoint, kind, target):
    """A copy of a checkpoint that is not that of its network any more."""
    content = torch.load(checkpoint, weights_only=False)
    state = content["state_dict"]
    if kind == "classes":
        for key in ("head.fc.weight", "head.fc.bias"):
            state[key] = torch.cat([state[key], state[key]])
    elif kind == "headless":
        content["state_dict"] = {k: v for k, v in state.items() if not k.startswith("head.")}
    elif kind == "detector":
        content["state_dict"] = {
            **{k: v for k, v in state.items() if k.startswith("backbone.")},
            "rpn_head.rpn_cls.weight": torch.ones(1),
        }
    torch.save(content, target)
    return target


@pytest.mark.parametrize("tool", ["test.py", "pseudo_boxes.py", "train.py --resume"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("classes", r"2 of another shape \(head.fc.weight \(12, (\d+); here 6, \1\), head.fc.bias"),
        ("headless", r"2 missing \(head.fc.weight, head.fc.bias\); give"),
        ("detector", r"2 missing \(head.*\), 1 unexpected \(rpn_head.rpn_cls.weight\)"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    trained, data, monkeypatch, tmp_path, capsys, tool, kind, message
):
    wrong = misfit(trained / "epoch_1.pth", kind, tmp_path / "wrong.pth")
    out = tmp_path / "out.json"
    name, *words = tool.split()
    words = [*words, wrong] if words else [wrong, "--out", out]
    with pytest.raises(SystemExit) as caught:
        call(monkeypatch, name, CAM, *words, "--work-dir", tmp_path, *overrides(data))
    assert caught.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"{wrong} is not a checkpoint of this network (ImageClassifier)" in errors[0]
    assert re.search(message, errors[0])
    assert not out.exists()


def test_named_prefixes_may_be_missing(trained, data, monkeypatch, tmp_path):
    part = misfit(trained / "epoch_1.pth", "headless", tmp_path / "part.pth")
    out = tmp_path / "out.json"
    words = ["--allow-missing", "head.", "--work-dir", tmp_path, "--out", out]
    call(monkeypatch, "test.py", CAM, part, *words, *overrides(data))
    assert "wsol/gt_known" in json.loads(out.read_text())
