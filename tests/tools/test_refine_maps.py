"""tools/refine_maps.py: the same files after a kill, for any number of processes and ranks."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from pycocotools import mask as coco_mask

from wsol_mm.apis.refinement import chain_configs, check_maps
from wsol_mm.evaluation.dump_maps import DumpMaps
from wsol_mm.evaluation.map_files import load_seed
from wsol_mm.functional.arm import ARMSettings, refine_maps
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 6


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return load(ROOT / "tools" / "refine_maps.py")


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Toy scenes, a map for each of the test images, and a config that refines quickly."""
    folder = tmp_path_factory.mktemp("refine")
    make_toy = load(ROOT / "tools" / "dataset_converters" / "make_toy.py")
    counts = ["--train", "6", "--val", "6", "--test", str(IMAGES)]
    make_toy.main(["--out", str(folder / "toy"), *counts])
    config = folder / "mine.py"
    config.write_text(
        "_base_ = 'wsol_mm::cam/resnet18_toy.py'\n"
        f"data_root = {str(folder / 'toy')!r}\n"
        "test_dataloader = dict(dataset=dict(data_root=data_root))\n"
        "model = dict(type='wsol_mm.WSOLClassifier', refiners=[\n"
        "    dict(type='wsol_mm.ARM', neighbours=8, iterations=10),\n"
        "    dict(type='wsol_mm.SGRM', max_iterations=4, train_scale=0.5)])\n"
    )
    rng = np.random.default_rng(0)
    names = [
        path.relative_to(folder / "toy" / "images").as_posix()
        for path in sorted((folder / "toy" / "images").rglob("test_*"))
    ]
    assert len(names) == IMAGES
    for name in names:
        target = folder / "maps" / f"{name}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, rng.random((6, 6)).astype(np.float32))
    (folder / "maps" / "image_ids.txt").write_text("\n".join(names))
    return folder


def call(tool, split, out, *words):
    arguments = [split / "mine.py", "--maps", split / "maps", "--out", out, *words]
    tool.main([str(word) for word in arguments])


def content(out):
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if "parts/" not in name}


@pytest.fixture(scope="module")
def reference(tool, split):
    out = split / "reference"
    call(tool, split, out, "--processes", "1")
    return out


def test_maps_boxes_and_masks_are_written(tool, split, reference):
    written = json.loads((reference / "objects.json").read_text())
    info = written["info"]
    assert [refiner["type"] for refiner in info["refiners"]] == ["wsol_mm.ARM", "wsol_mm.SGRM"]
    assert info["threshold_source"] == "otsu"
    assert info["maker"].endswith("/mine")
    assert len(info["maps_sha256"]) == 64
    assert len(written["images"]) == len(written["annotations"]) == IMAGES
    for image, annotation in zip(written["images"], written["annotations"], strict=True):
        score_map = np.load(reference / "maps" / f"{image['file_name']}.npy")
        assert score_map.shape == (96, 96)
        assert np.unique(score_map).tolist() == [0, 1]
        mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
        assert mask.shape == (image["height"], image["width"])
        assert annotation["area"] == mask.sum() > 0
        assert (score_map[mask] == 1).all()
        x, y, width, height = annotation["bbox"]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert [columns[0], rows[0]] == [x, y]
        assert [columns[-1] + 1, rows[-1] + 1] == [x + width, y + height]
    assert not (reference / "parts").exists()
    assert (reference / "maps" / "image_ids.txt").is_file()


def test_two_processes_give_the_same_files(tool, split, reference):
    call(tool, split, split / "two", "--processes", "2")
    assert content(split / "two") == content(reference)


def test_ranks_share_the_work(tool, split, reference, capsys):
    out = split / "ranks"
    call(tool, split, out, "--processes", "1", "--rank", "1", "--world-size", "2")
    assert "others are not" in capsys.readouterr().out
    assert len(list(out.rglob("*.npy"))) == IMAGES // 2
    assert not (out / "objects.json").exists()
    call(tool, split, out, "--processes", "1", "--rank", "0", "--world-size", "2")
    assert content(out) == content(reference)


@pytest.mark.slow
def test_a_killed_run_continues_with_the_same_result(tool, split, reference):
    out = split / "killed"
    words = [split / "mine.py", "--maps", split / "maps", "--out", out, "--processes", "2"]
    process = subprocess.Popen(
        [sys.executable, ROOT / "tools" / "refine_maps.py", *words],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(out.rglob("*.npy")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    call(tool, split, out, "--processes", "1")
    assert content(out) == content(reference)


def test_a_cut_off_line_is_done_again(tool, split, reference):
    out = split / "cut"
    call(tool, split, out, "--processes", "1", "--rank", "0", "--world-size", "2")
    part = next((out / "parts").glob("*.jsonl"))
    lines = part.read_text().splitlines()
    part.write_text("\n".join([*lines[:2], lines[2][:40]]))
    call(tool, split, out, "--processes", "1", "--rank", "1", "--world-size", "2")
    assert not (out / "objects.json").exists()
    call(tool, split, out, "--processes", "1", "--rank", "0", "--world-size", "2")
    assert content(out) == content(reference)


def test_named_refiners_have_the_configs_settings(tool, split):
    out = split / "named"
    words = ["--refiners", "ARM", "--threshold", "0.3", "--boxes", "all"]
    call(tool, split, out, *words, "--cfg-options", "model.refiners.0.iterations=3")
    written = json.loads((out / "objects.json").read_text())
    arm = {"type": "wsol_mm.ARM", "neighbours": 8, "iterations": 3}
    assert written["info"]["refiners"] == [arm]
    assert written["info"]["box_rule"] == BoxRule(threshold=0.3, components="all").to_dict()
    name = written["images"][0]["file_name"]
    image = cv2.imread(str(split / "toy" / "images" / name))[..., ::-1]
    raw = np.load(split / "maps" / f"{name}.npy")
    settings = ARMSettings(neighbours=8, iterations=3)
    wanted = refine_maps(raw[None], np.ascontiguousarray(image), settings)[0]
    np.testing.assert_array_equal(np.load(out / "maps" / f"{name}.npy"), wanted)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "reference"], "exists: delete it"),
        (["--threshold", "1.5"], "expected otsu, mean or a number"),
        (["--rank", "2"], "is not below --world-size"),
        (["--maps", "toy"], "maps are missing"),
        (["--cfg-options", "model.refiners=[]"], "no model.refiners"),
        (["--refiners", "SDM"], "SDM"),
    ],
)
def test_errors_are_one_line(
    tool, split, reference, monkeypatch, capsys, words, message, exit_code
):
    monkeypatch.chdir(split)
    arguments = [split / "mine.py", "--maps", "maps", "--out", "new", "--processes", 1, *words]
    assert exit_code(tool.main, arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_other_settings_do_not_continue_a_run(tool, split, capsys, exit_code):
    out = split / "mixed"
    words = ["--maps", split / "maps", "--out", out, "--rank", 0, "--world-size", 2]
    assert exit_code(tool.main, [split / "mine.py", *words, "--processes", 1]) == 0
    assert exit_code(tool.main, [split / "mine.py", *words, "--threshold", "mean"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_a_named_refiner_that_the_config_lacks_has_its_defaults(split):
    cfg = Config.fromfile(split / "mine.py")
    assert chain_configs(cfg, ["DenseCRF", "wsol_mm.SGRM"]) == [
        {"type": "wsol_mm.DenseCRF"},
        {"type": "wsol_mm.SGRM", "max_iterations": 4, "train_scale": 0.5},
    ]
    plain = Config.fromfile("configs/cam/resnet18_toy.py")
    assert chain_configs(plain, ["ARM"]) == [{"type": "wsol_mm.ARM"}]
    cfg.model.refiners = [cfg.model.refiners[0]] * 2
    with pytest.raises(ValueError, match=r"--refiners ARM: model\.refiners has 2 of them"):
        chain_configs(cfg, ["ARM"])


def odd_image(kind):
    """96 x 96 like the others' lists say, but for the one that is smaller than a patch."""
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    return {
        "constant image": np.full((96, 96, 3), 90, np.uint8),
        "smaller than a patch": noise[:5, :3],
        "one row": noise[:1],
        "one pixel": noise[:1, :1],
    }.get(kind, noise)


def odd_map(kind):
    """As a localizer may give it."""
    peak = np.zeros((6, 6), np.float32)
    peak[1, 2] = 1
    ramp = np.linspace(-1, 1, 36, dtype=np.float32).reshape(6, 6)
    return {"constant map": 0 * ramp + 3, "one token": ramp[:1, :1], "peak": peak}.get(kind, ramp)


@pytest.mark.parametrize(
    "kinds",
    [
        ("constant image", "constant map"),  # one superpixel, nothing found
        ("constant image", "ramp"),
        ("noise", "constant map"),
        ("noise", "peak"),  # no reliable object among the pixels that training at half size sees
        ("smaller than a patch", "ramp"),
        ("smaller than a patch", "one token"),
        ("one row", "ramp"),
        ("one pixel", "ramp"),
    ],
)
def test_degenerate_input_ends_in_a_box_and_a_mask(tool, split, tmp_path, kinds):
    image, score_map = odd_image(kinds[0]), odd_map(kinds[1])
    shutil.copytree(split / "toy", tmp_path / "toy")
    ids = (split / "maps" / "image_ids.txt").read_text().split()
    for name in ids:
        # Lossless content under the listed name: the reader looks at the bytes.
        _, code = cv2.imencode(".png", image)
        (tmp_path / "toy" / "images" / name).write_bytes(code.tobytes())
        (tmp_path / "maps" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "maps" / f"{name}.npy", score_map)
    out = tmp_path / "out"
    words = [split / "mine.py", "--maps", tmp_path / "maps", "--out", out, "--processes", 1]
    options = [f"test_dataloader.dataset.data_root={tmp_path / 'toy'}"]
    options += ["test_dataloader.dataset.indices=1"]
    tool.main([str(word) for word in [*words, "--cfg-options", *options]])
    written = json.loads((out / "objects.json").read_text())
    (annotation,) = written["annotations"]
    height, width = image.shape[:2]
    x, y, w, h = annotation["bbox"]
    assert 0 <= x < x + w <= width
    assert 0 <= y < y + h <= height
    mask = coco_mask.decode(annotation["segmentation"])
    assert mask.shape == (height, width)
    assert mask.any()
    saved = np.load(out / "maps" / f"{written['images'][0]['file_name']}.npy")
    assert np.isfinite(saved).all()
    if "constant map" in kinds:
        assert [x, y, w, h] == [0, 0, width, height]


@pytest.fixture(scope="module")
def sd_cam(split):
    """SD-CAM on toy scenes with random weights: what it predicts with and without refiners."""
    few = {"model.refiners.2.max_iterations": 3, "model.refiners.0.iterations": 20}
    models, samples = {}, {}
    for name in ("lcar_vit_tiny_toy", "sd_cam_vit_tiny_toy"):
        cfg = Config.fromfile(f"configs/lcar/{name}.py")
        cfg.merge_from_dict({"test_dataloader.dataset.data_root": str(split / "toy")})
        if name.startswith("lcar"):
            cfg.merge_from_dict(few)
        torch.manual_seed(4)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            preprocessor = cfg.data_preprocessor.to_dict()
            model = MODELS.build({**cfg.model.to_dict(), "data_preprocessor": preprocessor})
            loader = Runner.build_dataloader(
                {**cfg.test_dataloader, "num_workers": 0, "pin_memory": False}
            )
            samples[name] = [s for batch in loader for s in model.eval().test_step(batch)]
        models[name] = cfg
    cfg = models["lcar_vit_tiny_toy"]
    cfg.dump(split / "lcar.py")
    metric = DumpMaps(str(split / "sd_cam"))
    metric.process(None, [sample.to_dict() for sample in samples["sd_cam_vit_tiny_toy"]])
    metric.evaluate(IMAGES)
    return samples["lcar_vit_tiny_toy"]


def test_offline_maps_are_those_made_on_the_fly(tool, split, sd_cam, capsys):
    """The sign too: without the head's choice, SeedSign finds the side behind ARM."""
    assert all("seed_map" not in sample for sample in sd_cam)
    turned = split / "sd_cam_turned"
    shutil.copytree(split / "sd_cam", turned)
    for path in turned.rglob("*.npy"):
        np.save(path, -np.load(path))
    for maps, agreement in ((split / "sd_cam", 1.0), (turned, 0.98)):
        out = split / f"lcar_{maps.name}"
        words = [split / "lcar.py", "--maps", maps, "--out", out, "--processes", 1]
        tool.main([str(word) for word in words])
        assert "wsol_mm.SeedSign: " in capsys.readouterr().out
        for sample in sd_cam:
            saved = np.load(out / "maps" / f"{sample.img_id}.npy")
            same = saved == sample.pred_maps[0].numpy()
            assert 0 < saved.mean() < 1
            assert same.mean() >= agreement


def test_seeds_belong_to_all_maps_or_none(split, sd_cam, tmp_path):
    maps = tmp_path / "maps"
    shutil.copytree(split / "sd_cam", maps)
    ids = (maps / "image_ids.txt").read_text().split()
    whole = check_maps(maps, ids)
    seed = maps / f"{ids[0]}.seed.npz"
    np.savez(seed, seed=np.zeros((12, 12), np.float32))
    assert check_maps(maps, ids) != whole
    seed.write_bytes(b"cut off")
    with pytest.raises(ValueError, match="not a readable"):
        load_seed(seed)
    seed.unlink()
    assert load_seed(seed) is None
    with pytest.raises(ValueError, match=r"1 of 6 maps lack the \.seed\.npz"):
        check_maps(maps, ids)
