"""make_toy.py: byte-identical, whole or not at all, and read back by the data set."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsol_mm.datasets import ToyScenes

TOOL = Path(__file__).resolve().parents[2] / "tools/dataset_converters/make_toy.py"
SMALL = ["--train", "8", "--val", "4", "--test", "6", "--size", "32", "--classes", "3"]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_toy", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def test_the_same_arguments_give_the_same_bytes(tool, tmp_path):
    outs = [tmp_path / name for name in ("a", "b", "c")]
    seeds = ("3", "3", "4")
    for out, seed in zip(outs, seeds, strict=True):
        assert tool.main(["--out", str(out), "--seed", seed, *SMALL]) == 0
    first, again, other = map(files, outs)
    assert first == again
    assert first.keys() == other.keys()
    assert first["images/001.Red/train_00000.jpg"] != other["images/001.Red/train_00000.jpg"]


def test_a_scene_does_not_depend_on_how_many_are_drawn(tool, tmp_path):
    tool.main(["--out", str(tmp_path / "a"), *SMALL])
    tool.main(["--out", str(tmp_path / "b"), *SMALL, "--train", "3"])
    small, large = files(tmp_path / "b"), files(tmp_path / "a")
    images = [name for name in small if name.endswith((".jpg", ".png"))]
    assert all(small[name] == large[name] for name in images)


@pytest.mark.parametrize("objects", ["1", "3"])
def test_the_data_set_reads_them_back(tool, tmp_path, objects):
    out = tmp_path / "toy"
    assert tool.main(["--out", str(out), *SMALL, "--objects", objects]) == 0
    for split, count in (("train", 8), ("val", 4), ("test", 6)):
        data = ToyScenes(str(out), split, test_mode=True)
        assert len(data) == count
        assert data.CLASSES == ("001.Red", "002.Yellow", "003.Green")
        for k in range(count):
            assert data.check_item(k) == []
            info = data[k]
            assert info["gt_label"] == k % 3
            assert info["ignore_path"] is None
            for instance, path in zip(info["instances"], info["mask_paths"], strict=True):
                rows, columns = np.nonzero(np.array(Image.open(path)))
                extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert instance["bbox"] == extent


def test_its_pseudo_boxes_train_a_detector(tool, tmp_path):
    out = tmp_path / "toy"
    tool.main(["--out", str(out), *SMALL, "--box-noise", "0"])
    file = out / "pseudo_boxes_train.json"
    data = ToyScenes(str(out), "train", supervision="pseudo_boxes", pseudo_boxes=str(file))
    truth = ToyScenes(str(out), "train", supervision="boxes")
    for k in range(len(data)):
        near = np.array(data[k]["instances"][0]["bbox"])
        true = np.array(truth[k]["instances"][0]["bbox"])
        assert 0 < np.abs(near - true).max() < 6
    assert "true boxes with noise" in json.loads(file.read_text())["info"]["maker"]


def test_a_folder_of_the_same_record_is_kept(tool, tmp_path, capsys):
    out = tmp_path / "toy"
    tool.main(["--out", str(out), *SMALL])
    before = (out / "images.txt").stat().st_mtime_ns
    assert tool.main(["--out", str(out), *SMALL]) == 0
    assert "already there, kept" in capsys.readouterr().out
    assert (out / "images.txt").stat().st_mtime_ns == before


def test_a_folder_of_another_record_needs_force(tool, tmp_path, capsys):
    out = tmp_path / "toy"
    tool.main(["--out", str(out), *SMALL])
    with pytest.raises(SystemExit, match="2"):
        tool.main(["--out", str(out), *SMALL, "--seed", "1"])
    assert "drawn with other arguments" in capsys.readouterr().err
    assert tool.main(["--out", str(out), *SMALL, "--seed", "1", "--force"]) == 0
    assert json.loads((out / "toy.json").read_text())["seed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy"]


def test_a_foreign_folder_is_never_replaced(tool, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SystemExit, match="2"):
        tool.main(["--out", str(tmp_path), *SMALL, "--force"])
    assert "not toy scenes" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_nothing_is_left_of_a_run_that_fails(tool, tmp_path, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "pseudo_box_json", fail)
    with pytest.raises(KeyboardInterrupt):
        tool.main(["--out", str(tmp_path / "toy"), *SMALL])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--part-size", "2"], "part_size must be in"), (["--val", "2"], "--val must be at least")],
)
def test_bad_arguments_are_named(tool, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        tool.main(["--out", str(tmp_path / "toy"), *SMALL, *arguments])
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
