"""tools/deploy/export.py: what is told at once, and weights of another network."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tools.deploy.export import main, parse_args

ROOT = Path(__file__).resolve().parents[2]
CAM = str(ROOT / "configs" / "cam" / "resnet18_toy.py")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.py", "--out", "a.onnx"], "MODEL none.py does not exist"),
        ([CAM, "none.pth", "--out", "a.onnx"], "CHECKPOINT none.pth does not exist"),
        ([CAM, "--out", "a.pt"], "expected a name that ends in .onnx"),
        ([CAM, "--format", "torchscript", "--out", "a.onnx"], "ends in .pt or .ts or .torchscript"),
        ([CAM, "--format", "torchscript", "--dynamic-size", "--out", "a.pt"], "is for --format"),
        ([CAM, "--classes", "none.txt", "--out", "a.onnx"], "--classes none.txt does not exist"),
    ],
)
def test_wrong_words_are_told_at_once(words, said, capsys):
    with pytest.raises(SystemExit):
        parse_args(words)
    assert said in capsys.readouterr().err


def test_weights_of_another_network_are_refused(tmp_path, capsys, exit_code):
    from mmengine.registry import MODELS, DefaultScope

    cfg = Config.fromfile(CAM).model
    cfg.head.num_classes += 1
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        weights = MODELS.build(cfg).state_dict()
    torch.save({"state_dict": weights}, tmp_path / "other.pth")
    out = tmp_path / "model.onnx"
    assert exit_code(main, [CAM, tmp_path / "other.pth", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "head.fc" in said
    assert not out.exists()


def test_threshold_and_torchscript(tmp_path, capsys, exit_code):
    out = tmp_path / "model.pt"
    words = [CAM, "none", "--out", out, "--format", "torchscript", "--threshold", "0.4"]
    assert exit_code(main, words) == 2
    assert "images of different sizes" in capsys.readouterr().err
    cfg = tmp_path / "sized.py"
    cfg.write_text(
        f"_base_ = {CAM!r}\n"
        "resize = dict(type='wsol_mm.Resize', scale=(64, 64))\n"
        "steps = [resize, dict(type='wsol_mm.PackWSOLInputs')]\n"
        "test_dataloader = dict(dataset=dict(pipeline=steps))\n"
    )
    words = [cfg, *words[1:]]
    assert exit_code(main, words) == 0
    assert "threshold 0.4 (argument)" in capsys.readouterr().out
    about = {"wsol_mm.json": ""}
    loaded = torch.jit.load(out, _extra_files=about)
    assert b'"checkpoint_sha256": null' in about["wsol_mm.json"]
    images, labels = torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.tensor([[-1]])
    assert loaded(images, labels)[0].sum().item() == pytest.approx(1)
