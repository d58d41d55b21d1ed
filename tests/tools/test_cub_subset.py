"""A small CUB out of a larger one: what lands where, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "dataset_converters"))

import cub_subset  # noqa: E402

from wsol_mm.datasets import CUB  # noqa: E402


@pytest.fixture
def source(tmp_path):
    """Two classes of four training and two test images, the classes' rows alternating."""
    root = tmp_path / "source"
    lists = {name: [] for name in cub_subset.LISTS}
    for number in range(1, 13):
        label, image = number % 2 + 1, f"{number % 2 + 1:03d}.Wren/{number} a.jpg"
        path = root / "images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path)
        rows = (image, label, int(number <= 8), f"1.0 2.0 {number}.0 4.5")
        for name, row in zip(cub_subset.LISTS, rows, strict=True):
            lists[name].append(f"{number} {row}")
    lists["classes.txt"] = ["1 001.Wren", "2 002.Wren"]
    for name, lines in lists.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def names(root, split):
    dataset = CUB(data_root=str(root), split=split, supervision="boxes", pipeline=[])
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert all(Path(info["img_path"]).is_file() for info in infos)
    return {info["img_id"]: (info["gt_label"], info["instances"][0]["bbox"]) for info in infos}


def test_splits_are_apart_and_keep_labels_and_boxes(source, tmp_path, exit_code):
    words = [source, tmp_path / "out", "--train", 2, "--val", 1, "--test", 1]
    assert exit_code(cub_subset.main, words) == 0
    found = {part: names(tmp_path / "out/CUB", part) for part in ("train", "val", "test")}
    # the first training images of a class are val, the next train
    assert [name.split("/")[1] for name in found["val"]] == ["1 a.jpg", "2 a.jpg"]
    assert [name.split("/")[1] for name in found["train"]] == [f"{n} a.jpg" for n in (3, 4, 5, 6)]
    assert [name.split("/")[1] for name in found["test"]] == ["9 a.jpg", "10 a.jpg"]
    whole = names(source, "train") | names(source, "test")
    for part in found.values():
        assert part == {name: whole[name] for name in part}


def test_too_few_images_are_said(source, tmp_path, exit_code, capsys):
    words = [source, tmp_path / "out", "--train", 3, "--val", 2]
    assert exit_code(cub_subset.main, words) == 2
    error = capsys.readouterr().err
    assert "class 2 has 4 training and 2 test images, 5 and 2 are needed" in error
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_kept(source, tmp_path, exit_code, capsys):
    words = [source, tmp_path / "out", "--train", 1, "--val", 1]
    assert exit_code(cub_subset.main, words) == 0
    assert exit_code(cub_subset.main, words) == 2
    assert "exists: remove it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train_test_split.txt", "1 2\n", "expected 0 or 1"),
        ("image_class_labels.txt", "2 1\n", "expected 0 or 1, and a line for the image"),
        ("images.txt", None, "images.txt"),
    ],
)
def test_broken_sources_are_refused(source, tmp_path, exit_code, capsys, name, text, message):
    file = source / name
    file.write_text(text) if text else file.unlink()
    assert exit_code(cub_subset.main, [source, tmp_path / "out", "--train", 1, "--val", 1]) == 2
    assert message in capsys.readouterr().err
