"""DDT and C2AM from training to a pseudo-box file, on a handful of toy scenes."""

import itertools
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count()


def call(monkeypatch, tool, *words):
    """Run a tool in this process."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [tool, *map(str, words)])
    try:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def overrides(data, **more):
    changes = {f"{split}_dataloader.dataset.data_root": data for split in ("train", "val", "test")}
    changes |= {f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")}
    changes |= {"train_dataloader.batch_size": 4, "train_cfg.max_epochs": 1}
    changes |= {"experiment_name": f"maker_{next(NUMBERS)}", **more}
    return ["--cfg-options", *(f"{key}={value}" for key, value in changes.items())]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    sizes = ["--train", "8", "--val", "6", "--test", "6"]
    with pytest.MonkeyPatch.context() as patch:
        call(patch, "dataset_converters/make_toy.py", "--out", folder, *sizes)
    return folder


@pytest.mark.parametrize("maker", ["ddt", "c2am"])
def test_from_training_to_a_file_of_boxes(maker, data, monkeypatch, tmp_path):
    config = ROOT / f"configs/{maker}/resnet18_toy.py"
    words = overrides(data)
    call(monkeypatch, "train.py", config, "--work-dir", tmp_path, "--no-pretrained", *words)
    checkpoint = tmp_path / "epoch_1.pth"
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    if maker == "ddt":
        assert state["head.fitted"].any()
        lengths = state["head.components"].norm(dim=1)
        assert set(lengths.round(decimals=4).tolist()) <= {0.0, 1.0}
        assert lengths.any()
        assert not (tmp_path / "ddt").exists() or not list((tmp_path / "ddt").rglob("*.npy"))
    else:
        assert state["head.votes"][1] == 8
    out = tmp_path / "boxes.json"
    words = ["--work-dir", tmp_path, "--threshold", "0.1", "--out", out, *overrides(data)]
    call(monkeypatch, "pseudo_boxes.py", config, checkpoint, *words)
    content = json.loads(out.read_text())
    assert content["info"]["maker"] == f"{maker}/resnet18_toy"
    assert content["info"]["threshold_source"] == "fixed"
    assert content["info"]["box_rule"]["normalization"] == "max"
    assert len(content["images"]) == 8
    assert content["annotations"]
