"""tools/refine_maps.py: the same files after a kill, for any number of processes and ranks."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from wsol_mm.functional.arm import refine_maps

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


def test_named_refiners_replace_the_configs(tool, split):
    out = split / "named"
    call(tool, split, out, "--refiners", "ARM", "--threshold", "0.3", "--boxes", "all")
    written = json.loads((out / "objects.json").read_text())
    assert written["info"]["refiners"] == [{"type": "wsol_mm.ARM"}]
    assert written["info"]["box_rule"] == {"rule": "fixed", "threshold": 0.3, "which": "all"}
    name = written["images"][0]["file_name"]
    image = cv2.imread(str(split / "toy" / "images" / name))[..., ::-1]
    raw = np.load(split / "maps" / f"{name}.npy")
    wanted = refine_maps(raw[None], np.ascontiguousarray(image))[0]
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
