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

LISTS_SPLIT = "train_test_split.txt"


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


def test_a_class_with_fewer_images_gives_what_it_has(source, tmp_path, exit_code, capsys):
    flags = source / "train_test_split.txt"
    # class 1 keeps one training image of its four (ids 2, 4, 6, 8), the others become test images
    lines = [
        f"{line.split()[0]} 0" if line.split()[0] in "468" else line
        for line in flags.read_text().splitlines()
    ]
    flags.write_text("\n".join(lines))
    words = [source, tmp_path / "out", "--train", 3, "--val", 2, "--test", 9]
    assert exit_code(cub_subset.main, words) == 0
    assert "2 classes have fewer images than wanted" in capsys.readouterr().out
    found = {
        part: sorted(
            int(name.split("/")[1].split()[0]) for name in names(tmp_path / "out/CUB", part)
        )
        for part in ("train", "val", "test")
    }
    assert found == {"train": [2, 5, 7], "val": [1, 3], "test": [4, 6, 8, 9, 10, 11, 12]}


def test_a_seed_draws_the_same_images_again_and_leaves_the_splits_apart(source):
    kept, apart, short = cub_subset.choose(source, 2, 1, 1, seed=3)
    assert cub_subset.choose(source, 2, 1, 1, seed=3) == (kept, apart, short)
    assert not set(kept) & set(apart)
    assert (len(kept), len(apart), short) == (6, 2, 0)
    drawn = {tuple(cub_subset.choose(source, 2, 1, 1, seed=seed)[1]) for seed in range(20)}
    assert len(drawn) > 4  # of 4 x 4 pairs
    flags = dict(line.split() for line in (source / LISTS_SPLIT).read_text().splitlines())
    assert all(flags[image] == "1" for image in apart)


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
