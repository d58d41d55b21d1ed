"""The converter of C2AM's and PSOL's released boxes, on files of their layout."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "dataset_converters"))

import boxes_to_coco  # noqa: E402

from wsol_mm.datasets.box_file import read_pseudo_boxes  # noqa: E402

IMAGES = ["003.Ani/a 1.jpg", "003.Ani/b.c.jpg", "017.Wren/c.jpg", "017.Wren/d.jpg"]
SIZE = (400, 300)


@pytest.fixture
def root(tmp_path):
    """Four training images in CUB's layout."""
    root = tmp_path / "cub"
    for name in IMAGES:
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)).save(path)
    lists = {
        "images.txt": [f"{i} {name}" for i, name in enumerate(IMAGES, 1)],
        "image_class_labels.txt": ["1 1", "2 1", "3 2", "4 2"],
        "classes.txt": ["1 003.Ani", "2 017.Wren"],
        "train_test_split.txt": [f"{i} 1" for i in (1, 2, 3, 4)],
    }
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def write(folder, name, entries):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(entries))


def published(image):
    return f"/home/author/data/CUB/train/{image}"


@pytest.fixture
def c2am(tmp_path):
    """`{batch}_{rank}_bbox.json`: cells of 16 px in the middle 448 of 480."""
    folder = tmp_path / "boxes"
    # cells 2..9 x 0..27 of 28
    share = [(16 + 2 * 16) / 480, 16 / 480, 8 * 16 / 480, 448 / 480]
    write(folder, "0_0_bbox.json", {published(IMAGES[0]): share, published(IMAGES[1]): [0] * 4})
    # the last batch is filled up with an image that was there before
    write(folder, "0_1_bbox.json", {published(IMAGES[2]): [0, 0, 1, 1]})
    write(folder, "1_1_bbox.json", {published(IMAGES[0]): share})
    return folder


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["boxes_to_coco.py", *map(str, words)])
    try:
        boxes_to_coco.main()
    except SystemExit as end:
        return end.code
    return 0


def test_c2ams_files_become_one_that_training_reads(root, c2am, tmp_path, monkeypatch, capsys):
    out = tmp_path / "c2am_cub.json"
    words = ["c2am", c2am, "--dataset", "CUB", "--data-root", root, "--out", out]
    assert run(monkeypatch, *words) == 0
    assert "2 boxes for 4 images, 2 without a box, of which 1 have no entry; 3 files" in (
        capsys.readouterr().out
    )
    found = read_pseudo_boxes(str(out), set(IMAGES))
    assert set(found) == {IMAGES[0], IMAGES[2]}
    (box,) = found[IMAGES[0]]
    assert box == pytest.approx([400 * 48 / 480, 300 * 16 / 480, 400 * 176 / 480, 300 * 464 / 480])
    assert found[IMAGES[2]] == [[0, 0, 400, 300]]
    content = json.loads(out.read_text())
    assert [image["file_name"] for image in content["images"]] == IMAGES
    info = content["info"]
    assert (info["maker"], info["files"], info["split"]) == ("c2am/released", 3, "train")
    assert "chosen by the authors on the boxes they report" in info["threshold_source"]
    before = info["files_sha256"]
    write(c2am, "1_0_bbox.json", {published(IMAGES[3]): [0.1, 0.1, 0.5, 0.5]})
    out.unlink()
    assert run(monkeypatch, *words) == 0
    assert json.loads(out.read_text())["info"]["files_sha256"] != before
    assert run(monkeypatch, *words) == 2
    assert "exists: delete it" in capsys.readouterr().err


def test_psols_files_of_classes_and_suffixes(root, tmp_path, monkeypatch):
    folder = tmp_path / "psol"
    # cells of 32 px of 448; another suffix than on this machine
    write(
        folder,
        "n003_bbox.json",
        {"D:\\psol\\train\\003.Ani\\a 1.JPEG": [32 / 448, 0, 64 / 448, 96 / 448]},
    )
    write(folder, "n003_trans.json", {"mean": [0.0], "component": [1.0]})
    out = tmp_path / "psol.json"
    words = ["psol", folder, "--dataset", "CUB", "--data-root", root, "--out", out]
    assert run(monkeypatch, *words) == 0
    (box,) = read_pseudo_boxes(str(out), set(IMAGES))[IMAGES[0]]
    assert box == pytest.approx([400 / 14, 0, 1200 / 14, 300 * 3 / 14])
    assert json.loads(out.read_text())["info"]["maker"] == "psol/released"


@pytest.mark.parametrize(
    ("path", "share", "message"),
    [
        (published("003.Ani/z.jpg"), [0, 0, 1, 1], "'003.Ani/z' is no image of this split"),
        (published(IMAGES[3]), [0.5, 0, 0.6, 1], "lies outside its image"),
        (published(IMAGES[3]), [-0.1, 0, 0.5, 1], "lies outside its image"),
        (published(IMAGES[3]), [0, 0, 1], "expected [x, y, w, h] as shares"),
        (published(IMAGES[3]), [0, 0, 1, float("nan")], "expected [x, y, w, h] as shares"),
        (published(IMAGES[3]), [0, 0, 100, 100], "lies outside its image"),
        (published(IMAGES[2]), [0, 0, 0.5, 0.5], "another box than [0.0, 0.0, 1.0, 1.0]"),
    ],
)
def test_entries_that_cannot_be_are_named(
    path, share, message, root, c2am, tmp_path, monkeypatch, capsys
):
    write(c2am, "9_0_bbox.json", {path: share})
    out = tmp_path / "out.json"
    words = ["c2am", c2am, "--dataset", "CUB", "--data-root", root, "--out", out]
    assert run(monkeypatch, *words) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert f"9_0_bbox.json: '{path}'" in printed
    assert not out.exists()


def test_folders_without_boxes_are_named(root, tmp_path, monkeypatch, capsys):
    words = ["--dataset", "CUB", "--data-root", root, "--out", tmp_path / "out.json"]
    (tmp_path / "none").mkdir()
    assert run(monkeypatch, "c2am", tmp_path / "none", *words) == 2
    assert "holds no *_bbox.json" in capsys.readouterr().err
    write(tmp_path / "zeros", "0_0_bbox.json", {published(IMAGES[0]): [0, 0, 0, 0]})
    assert run(monkeypatch, "c2am", tmp_path / "zeros", *words) == 2
    assert "no image got a box" in capsys.readouterr().err
