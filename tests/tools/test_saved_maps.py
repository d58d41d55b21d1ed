"""Maps that tools/test.py saves give its numbers again in tools/eval_maps.py."""

import itertools
import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from tool_runs import CAM, call, make_scenes, overrides

IMAGES = 7


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Scenes, and a checkpoint of random weights."""
    folder = tmp_path_factory.mktemp("trial")
    with pytest.MonkeyPatch.context() as patch:
        make_scenes(patch, folder / "toy", 6, 6, IMAGES)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(Config.fromfile(CAM).model)
    model.init_weights()
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "random.pth")
    return folder


def options(trial, **more):
    return overrides(trial / "toy", **{"test_dataloader.batch_size": 1, **more})


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
