"""The cache of tokens: whole or not at all, resumed, shared by ranks, and right in training."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import wsol_mm.registry  # noqa: F401
from wsol_mm.engine import token_cache
from wsol_mm.engine.token_cache import fill_token_cache, weights_sha256

ROOT = Path(__file__).parents[2]
KEY = {"weights": "abc", "views": 2}


def rows_of(numbers):
    return np.array([[number, number / 2] for number in numbers], np.float32)


def fill(folder, compute=rows_of, key=KEY, rows=10):
    return fill_token_cache(folder, key, rows, compute, rows_per_part=4)


def check(folder, rows=10):
    assert np.array_equal(np.load(folder / "tokens.npy"), rows_of(range(rows)))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["key.json", "tokens.npy"]


def test_rows_are_made_once(tmp_path):
    assert fill(tmp_path / "a" / "b") == 10
    check(tmp_path / "a" / "b")
    assert fill(tmp_path / "a" / "b", compute=None) == 0


def test_a_killed_run_continues_with_what_is_missing(tmp_path):
    def killed(numbers):
        if numbers[0] == 4:
            raise KeyboardInterrupt
        return rows_of(numbers)

    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, killed)
    assert not (tmp_path / "tokens.npy").exists()
    asked = []

    def counted(numbers):
        asked.extend(numbers)
        return rows_of(numbers)

    assert fill(tmp_path, counted) == 6
    assert asked == list(range(4, 10))
    check(tmp_path)


def test_ranks_share_the_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(token_cache, "get_world_size", lambda: 2)
    monkeypatch.setattr(token_cache, "get_rank", lambda: 1)
    asked = []
    assert fill(tmp_path, lambda numbers: asked.append(tuple(numbers)) or rows_of(numbers)) == 4
    assert asked == [(4, 5, 6, 7)]
    monkeypatch.setattr(token_cache, "get_rank", lambda: 0)
    assert fill(tmp_path) == 6
    check(tmp_path)


@pytest.mark.parametrize("finished", [True, False])
def test_tokens_of_another_network_are_refused(tmp_path, finished):
    fill(tmp_path)
    if not finished:
        (tmp_path / "tokens.npy").rename(tmp_path / "away")
    with pytest.raises(ValueError, match=r"made with another weights: delete the folder"):
        fill(tmp_path, key={**KEY, "weights": "def"})
    with pytest.raises(ValueError, match="made with another rows"):
        fill(tmp_path, rows=9)


def test_tokens_without_a_key_are_refused(tmp_path):
    np.save(tmp_path / "tokens.npy", rows_of(range(10)))
    with pytest.raises(ValueError, match="another rows, rows_per_part, views, weights"):
        fill(tmp_path)


def test_hash_sees_values_names_and_shapes():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 4)
    found = weights_sha256(layer)
    copy = torch.nn.Linear(3, 4)
    copy.load_state_dict(layer.state_dict())
    assert weights_sha256(copy) == found
    with torch.no_grad():
        copy.bias[2] += 1e-6
    hashes = {found, weights_sha256(copy), weights_sha256(torch.nn.Sequential(layer))}
    assert len(hashes) == 3
    norm = torch.nn.BatchNorm2d(4)  # a buffer without dimensions
    assert weights_sha256(norm) == weights_sha256(torch.nn.BatchNorm2d(4))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "toy"
    tool = runpy.run_path(str(ROOT / "tools/dataset_converters/make_toy.py"))
    tool["main"](["--out", str(folder), "--train", "10", "--val", "6", "--test", "6"])
    return folder


def config(scenes, out, tokens, name):
    cfg = Config.fromfile(ROOT / "configs/lcar/sd_cam_vit_tiny_toy_cached.py")
    cfg.merge_from_dict(
        {
            **{f"{split}_dataloader.dataset.data_root": str(scenes) for split in ("train", "val")},
            "test_dataloader": None,
            "test_evaluator": None,
            "test_cfg": None,
            "train_dataloader.num_workers": 1,  # it draws the views
            "train_dataloader.batch_size": 4,
            "train_dataloader.pin_memory": False,
            "val_dataloader.num_workers": 0,
            "train_cfg.max_epochs": 2,
            "train_cfg.val_interval": 2,
            "model.backbone.init_cfg": None,
            "log_level": "ERROR",
            "work_dir": str(out),
            "experiment_name": name,
            "custom_hooks": [{"type": "wsol_mm.TokenCacheHook"}] if tokens else [],
        }
    )
    cfg.train_dataloader.dataset.pipeline[0].tokens = tokens and str(tokens)
    return cfg


def trained(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    model = runner.model
    return model.head.state_dict(), weights_sha256(model.backbone)


@pytest.mark.slow
def test_heads_learn_the_same_with_and_without_the_cache(scenes, tmp_path):
    tokens = tmp_path / "tokens"
    plain, backbone = trained(config(scenes, tmp_path / "plain", None, "token_cache_plain"))
    cached, _ = trained(config(scenes, tmp_path / "cached", tokens, "token_cache_made"))
    torch.testing.assert_close(cached, plain, rtol=1e-4, atol=1e-6)
    kept = np.load(tokens / "tokens.npy")
    assert kept.shape == (10 * 4, 2 * 96)
    assert kept.dtype == np.float32
    # the key was made before training
    assert json.loads((tokens / "key.json").read_text())["weights_sha256"] == backbone
    # found again, exactly; without any image of the training set
    modified = (tokens / "tokens.npy").stat().st_mtime_ns
    again, _ = trained(config(scenes, tmp_path / "again", tokens, "token_cache_found"))
    assert (tokens / "tokens.npy").stat().st_mtime_ns == modified
    torch.testing.assert_close(again, cached, rtol=0, atol=0)
    # other weights are not mistaken for these
    cfg = config(scenes, tmp_path / "other", tokens, "token_cache_other")
    cfg.randomness.seed = 1
    with pytest.raises(ValueError, match="made with another weights_sha256"):
        trained(cfg)
    cfg = config(scenes, tmp_path / "unfrozen", tokens, "token_cache_unfrozen")
    cfg.model.type = "wsol_mm.WSOLClassifier"
    with pytest.raises(ValueError, match=r"trains its backbone; set model\.type="):
        trained(cfg)
    cfg = config(scenes, tmp_path / "no_views", tokens, "token_cache_no_views")
    cfg.train_dataloader.dataset.pipeline = cfg.test_pipeline
    with pytest.raises(ValueError, match=r"must start with wsol_mm\.FixedViews"):
        trained(cfg)
