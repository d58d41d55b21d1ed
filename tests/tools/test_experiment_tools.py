"""Logs, cost, data behind augmentations and checkpoints to hand on: the tools around a training."""

import json
from hashlib import sha256

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tool_runs import CAM, ROOT, call

from wsol_mm import Localizer
from wsol_mm.apis.complexity import complexity
from wsol_mm.apis.published import publish
from wsol_mm.datasets.pixels import read_image
from wsol_mm.engine import CheckpointError

DETECTOR = ROOT / "configs/wend/faster_rcnn_r18_toy_oracle.py"
SPLITS = ("train", "val", "test")


def overrides(data, **more):
    changes = {f"{split}_dataloader.dataset.data_root": data for split in SPLITS} | more
    return ["--cfg-options", *(f"{key}={value}" for key, value in changes.items())]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    with pytest.MonkeyPatch.context() as patch:
        sizes = ["--train", "6", "--val", "6", "--test", "6"]
        call(patch, "dataset_converters/make_toy.py", "--out", folder, *sizes)
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Work dir of a CAM after two epochs, with the results of its test."""
    folder = tmp_path_factory.mktemp("runs") / "cam"
    more = {f"{split}_dataloader.num_workers": 0 for split in SPLITS}
    more |= {"train_dataloader.batch_size": 3, "train_cfg.max_epochs": 2}
    more |= {"default_hooks.logger.interval": 1}
    with pytest.MonkeyPatch.context() as patch:
        call(patch, "train.py", CAM, "--work-dir", folder, *overrides(data, **more))
        test(patch, folder / "epoch_2.pth", folder / "results.json", data)
    return folder


def test(patch, checkpoint, out, data):
    more = {f"{split}_dataloader.num_workers": 0 for split in SPLITS}
    words = ("--work-dir", out.parent / "test", "--out", out, *overrides(data, **more))
    call(patch, "test.py", CAM, checkpoint, *words)
    return {k: v for k, v in json.loads(out.read_text()).items() if k != "info"}


test.__test__ = False


def test_curves_and_times_of_a_work_dir(trained, monkeypatch, tmp_path, capsys):
    logs = "analysis_tools/analyze_logs.py"
    for keys in (["loss"], ["wsol/gt_known", "wsol/max_box_acc_v2"]):
        out = tmp_path / "curves.png"
        call(monkeypatch, logs, "plot_curve", trained, "--keys", *keys, "--out", out)
        assert cv2.imread(str(out)).std() > 0
        out.unlink()
    call(monkeypatch, logs, "cal_train_time", trained, "--include-outliers")
    printed = capsys.readouterr().out
    (log,) = [p for p in trained.glob("*/vis_data/scalars.json") if '"loss"' in p.read_text()]
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    times = [row["time"] for row in rows if "loss" in row]
    assert f"average iter time: {np.mean(times):.4f} s/iter" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plot_curve", "{run}", "--keys", "depth"], 'Invalid key "depth", please choose from'),
        (["plot_curve", "{run}", "--window-size", "7"], "--window-size 7: expected W*H"),
        (["plot_curve", "{run}", "--legend", "a", "b"], "--legend: expected 1 names"),
        (["cal_train_time", "{run}/test"], "has no training log: tools/train.py"),
    ],
)
def test_logs_that_cannot_be_drawn_are_said_in_a_line(trained, monkeypatch, capsys, words, message):
    words = [word.format(run=trained) for word in words]
    with pytest.raises(SystemExit):
        call(monkeypatch, "analysis_tools/analyze_logs.py", *words)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_cost_of_a_classifier_is_that_of_its_layers():
    cfg = Config.fromfile(CAM)
    small, large = complexity(cfg, (32, 32)), complexity(cfg, (64, 64))
    model_parameters = small["params"]
    head = 6 * cfg.model.head.in_channels
    assert model_parameters > head
    # convolutions are four times as many, the linear layer is the same
    assert (large["flops"] - head) / (small["flops"] - head) == pytest.approx(4, rel=0.01)


def test_cost_is_printed_for_the_pipelines_size(monkeypatch, capsys):
    flops = "analysis_tools/get_flops.py"
    words = ("--cfg-options", "model.backbone.depth=18", "model.head.in_channels=512")
    call(monkeypatch, flops, "configs/cam/resnet50_cub.py", *words)
    printed = capsys.readouterr().out
    assert "input: 3 x 224 x 224" in printed
    assert "parameters: 11.3M" in printed or "parameters: 11.279M" in printed
    with pytest.raises(SystemExit):
        call(monkeypatch, flops, CAM)
    assert "takes images at their own size: give --shape" in capsys.readouterr().err


@pytest.mark.parametrize(
    "config",
    ["faster_rcnn_r18_toy_oracle", "fcos_r18_toy", "deformable_detr_r18_toy", "cln_r18_toy"],
)
def test_cost_of_detectors(config):
    found = complexity(Config.fromfile(ROOT / f"configs/wend/{config}.py"), (96, 96))
    assert found["flops"] > found["params"] > 1e5


def test_boxes_and_masks_are_seen_behind_the_augmentations(data, monkeypatch, tmp_path):
    browse = "analysis_tools/browse_dataset.py"
    for name, prob in (("plain", 0.0), ("mirrored", 1.0)):
        words = overrides(data, **{"train_dataloader.dataset.pipeline.1.prob": prob})
        folder = tmp_path / name
        call(monkeypatch, browse, CAM, "-o", folder, "--not-show", "-n", 3, *words)
    plain = sorted((tmp_path / "plain").rglob("*.png"))
    assert len(plain) == 3
    for path in plain:
        one = cv2.imread(str(path))
        other = cv2.imread(str(tmp_path / "mirrored" / path.relative_to(tmp_path / "plain")))
        name = str(path.relative_to(tmp_path / "plain"))[: -len(".png")]
        clean = read_image(str(next(data.rglob(name))))[..., ::-1].astype(int)
        drawn = np.abs(one - clean).max(axis=2) > 40
        assert drawn.mean() > 0.02  # box and mask
        rows = slice(one.shape[0] // 3, None)  # below the class's name
        mirrored = np.abs(one[rows].astype(int) - other[rows, ::-1]).max(axis=2) > 40
        assert mirrored.mean() < 0.05


@pytest.mark.parametrize("phase", ["train", "test"])
def test_a_detectors_boxes_are_those_of_its_pipeline(data, monkeypatch, tmp_path, phase):
    words = (DETECTOR, "-o", tmp_path, "--not-show", "-n", 2, "-p", phase, *overrides(data))
    call(monkeypatch, "analysis_tools/browse_dataset.py", *words)
    for path in list(tmp_path.rglob("*.png")):
        green = cv2.imread(str(path)).astype(int)
        assert ((green[..., 1] - green[..., [0, 2]].max(axis=2)) > 80).sum() > 20
    assert len(list(tmp_path.rglob("*.png"))) == 2


def test_a_published_checkpoint_gives_the_same_numbers(
    trained, data, monkeypatch, tmp_path, capsys
):
    source = trained / "epoch_2.pth"
    words = (source, tmp_path / "cam_toy.pth", "--results", trained / "results.json")
    call(monkeypatch, "model_converters/publish_model.py", *words)
    (path,) = tmp_path.glob("cam_toy-*.pth")
    assert path.stem[-8:] == sha256(path.read_bytes()).hexdigest()[:8]
    assert f"{path}: written" in capsys.readouterr().out
    content = torch.load(path, weights_only=True)
    assert set(content) == {"meta", "state_dict"}
    assert str(data) not in repr(content["meta"])
    assert path.stat().st_size < 0.7 * source.stat().st_size
    numbers = json.loads((trained / "results.json").read_text())
    assert content["meta"]["stamp"]["threshold"]["value"] == numbers["wsol/threshold"]
    again = test(monkeypatch, path, tmp_path / "again.json", data)
    assert again == {key: value for key, value in numbers.items() if key != "info"}

    image = sorted(data.rglob("test_*.jpg"))[0]
    one, other = (Localizer(str(CAM), str(file), device="cpu") for file in (source, path))
    assert one.classes == other.classes
    assert (one.threshold_source, other.threshold_source) == ("default", "val")
    own, published = one(str(image), show_progress=False)[0], other(str(image))[0]
    np.testing.assert_array_equal(own.map, published.map)
    assert published.threshold == numbers["wsol/threshold"]


def test_of_averaged_weights_either_is_published(tmp_path):
    state, own = {"a": torch.ones(2)}, {"module.a": torch.zeros(2), "steps": torch.tensor(1)}
    source = tmp_path / "epoch_1.pth"
    torch.save({"state_dict": state, "ema_state_dict": own, "optimizer": {"lr": 1}}, source)
    found = [
        torch.load(publish(source, tmp_path / f"{ema}.pth", ema=ema))["state_dict"]
        for ema in (True, False)
    ]
    assert [each["a"].tolist() for each in found] == [[1, 1], [0, 0]]
    assert [set(each) for each in found] == [{"a"}, {"a"}]
    torch.save({"state_dict": state}, source)
    with pytest.raises(CheckpointError, match="no averaged weights: leave out --no-ema"):
        publish(source, tmp_path / "x.pth", ema=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist: tools/test.py --out makes it"),
        ("[]", r"expected what tools/test.py --out FILE.json wrote"),
        ('{"info": {"checkpoint": "b.pth", "details": []}}', "is of b.pth, not of"),
        ('{"info": {"checkpoint": "a.pth", "details": []}}', "has no stamp"),
    ],
)
def test_results_of_something_else_are_refused(tmp_path, text, message):
    source, results = tmp_path / "a.pth", tmp_path / "r.json"
    torch.save({"state_dict": {"a": torch.ones(1)}}, source)
    if text is not None:
        results.write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        publish(source, tmp_path / "x.pth", results=results)
    assert not list(tmp_path.glob("x*"))
