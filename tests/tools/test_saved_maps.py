"""Maps that tools/test.py saves give its numbers again in tools/eval_maps.py."""

import itertools
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

ROOT = Path(__file__).parents[2]
CAM = ROOT / "configs/cam/resnet18_toy.py"
IMAGES = 7
NUMBERS = itertools.count()


def call(patch, tool, *words):
    patch.chdir(ROOT)
    patch.setattr(sys, "argv", [tool, *map(str, words)])
    try:
        runpy.run_path(str(ROOT / "tools" / tool), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Scenes, and a checkpoint of random weights."""
    folder = tmp_path_factory.mktemp("trial")
    sizes = ("--train", "6", "--val", "6", "--test", IMAGES)
    with pytest.MonkeyPatch.context() as patch:
        call(patch, "dataset_converters/make_toy.py", "--out", folder / "toy", *sizes)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(Config.fromfile(CAM).model)
    model.init_weights()
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "random.pth")
    return folder


def options(trial, **more):
    changes = {f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")}
    changes |= {
        f"{split}_dataloader.dataset.data_root": trial / "toy" for split in ("train", "val", "test")
    }
    changes |= {"experiment_name": f"maps_{next(NUMBERS)}", "test_dataloader.batch_size": 1, **more}
    return ["--cfg-options", *(f"{key}={value}" for key, value in changes.items())]


def differences(part, whole, path=""):
    """Where ``whole``, which has classification and masks as well, contradicts ``part``."""
    if isinstance(part, dict):
        found = [differences(part[key], whole.get(key), f"{path}.{key}") for key in part]
    elif isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        pairs = enumerate(zip(part, whole, strict=True))
        found = [differences(*pair, f"{path}.{number}") for number, pair in pairs]
    else:
        return [] if part == whole else [(path, part, whole)]
    return list(itertools.chain(*found))


@pytest.mark.parametrize(
    ("normalization", "percentile"), [("minmax", None), ("pas", 90), ("ivr", 35)]
)
def test_eval_maps_equals_test(trial, monkeypatch, tmp_path, normalization, percentile):
    keys = {"normalization": normalization, "percentile": percentile}
    words = options(trial, **{f"test_evaluator.{key}": value for key, value in keys.items()})
    maps, out = tmp_path / "maps", tmp_path / "test.json"
    call(
        monkeypatch,
        "test.py",
        *(CAM, trial / "random.pth", "--work-dir", tmp_path, "--out", out),
        *("--threshold", "oracle", "--dump-maps", maps, *words),
    )
    assert len(list(maps.rglob("*.npy"))) == IMAGES
    again = tmp_path / "again.json"
    arguments = ["--maps", maps, "--metadata", maps, "--out", again, "--processes", 1]
    arguments += ["--normalization", normalization]
    arguments += ["--percentile", percentile] if percentile else []
    call(monkeypatch, "eval_maps.py", *arguments)
    tested = json.loads((tmp_path / "test_wsol.json").read_text())
    evaluated = json.loads(again.read_text())
    stamps = evaluated.pop("stamp"), tested["stamp"]
    assert {"max_box_acc_v2", "gt_known", "curves", "per_class", "intervals"} <= evaluated.keys()
    assert differences(evaluated, tested) == []
    for key in ("normalization", "percentile", "images"):
        assert stamps[0][key] == stamps[1][key]


@pytest.mark.slow
def test_two_ranks_save_the_maps_of_one(trial, monkeypatch, tmp_path):
    common = (CAM, trial / "random.pth", "--work-dir", tmp_path, "--threshold", "oracle")
    call(monkeypatch, "test.py", *common, "--dump-maps", tmp_path / "one", *options(trial))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = [*common, "--launcher", "pytorch", "--dump-maps", tmp_path / "two", *options(trial)]
    subprocess.run([*torchrun, ROOT / "tools/test.py", *arguments], check=True, timeout=180)
    one, two = (
        {file.relative_to(folder): file for file in folder.rglob("*.*") if file.is_file()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one.keys() == two.keys()
    assert len(one) == IMAGES + 4
    for name, file in one.items():
        if name.suffix == ".txt":
            assert two[name].read_text() == file.read_text()
