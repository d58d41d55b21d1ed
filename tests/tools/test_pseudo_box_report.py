"""tools/pseudo_box_report.py: the biased boxes of a maker are found out before a training."""

import importlib.util
import json
import runpy
import sys
from pathlib import Path

import pytest

from wsol_mm.apis.true_boxes import true_boxes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "pseudo_box_report.py"
    spec = importlib.util.spec_from_file_location("pseudo_box_report", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Toy scenes, whose true boxes of the training split are known."""
    out = tmp_path_factory.mktemp("toy")
    script = ROOT / "tools/dataset_converters/make_toy.py"
    words = ["--out", out, "--train", 12, "--val", 6, "--test", 6, "--size", 64]
    old, sys.argv = sys.argv, [str(script), *map(str, words)]
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = old
    assert not ended.value.code
    return out


def write(path, boxes, scores=None):
    """A pseudo-box file of `{name: boxes}`."""
    images = [
        {"id": n, "file_name": name, "width": 64, "height": 64} for n, name in enumerate(boxes)
    ]
    rows = [
        {"image_id": n, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for n, found in enumerate(boxes.values())
        for x0, y0, x1, y1 in found
    ]
    for number, row in enumerate(rows):
        row |= {"id": number + 1} | ({"score": scores[number]} if scores else {})
    content = {"info": {"maker": "test", "split": "train", "threshold": 0.2}, "images": images}
    content |= {"annotations": rows, "categories": [{"id": 1, "name": "object"}]}
    path.write_text(json.dumps(content))
    return path


def test_boxes_of_half_the_side_are_seen_against_the_truth(tool, scenes, tmp_path, capsys):
    config = str(ROOT / "configs/wend/fcos_r18_toy.py")
    truth = true_boxes(config, "train", str(scenes))
    assert len(truth) == 12
    half = {
        name: [[x0, y0, (x0 + x1) / 2, (y0 + y1) / 2] for x0, y0, x1, y1 in rows.tolist()]
        for name, rows in truth.items()
    }
    names = list(half)
    half[names[0]] = []
    file, out = write(tmp_path / "half.json", half), tmp_path / "report.json"
    tool.main([str(file), "--config", config, "--data-root", str(scenes), "--out", str(out)])
    (row,) = json.loads(out.read_text())["agreement"]
    assert row["against"] == "true boxes of train"
    assert (row["images"], row["missing"], row["iou50"]) == (12, 1, 0)
    assert row["area_ratio"] == pytest.approx(0.25)
    assert row["width_ratio"] == row["height_ratio"] == pytest.approx(0.5)
    assert row["shorter"] == 100
    text = capsys.readouterr().out
    assert "11 boxes, 12 images, 1 without a box; maker test" in text
    assert "| 0.25 | 0.50 | 0.50 | 100.0 |" in text


def test_makers_are_compared_both_ways_by_their_best_box(tool, tmp_path):
    first = write(tmp_path / "a.json", {"x.jpg": [[0, 0, 8, 8], [0, 0, 60, 60]]}, [0.3, 0.9])
    second = write(tmp_path / "b.json", {"x.jpg": [[0, 0, 60, 60]], "y.jpg": [[0, 0, 5, 5]]})
    out = tmp_path / "r.json"
    tool.main([str(first), str(second), "--out", str(out)])
    there, back = json.loads(out.read_text())["agreement"]
    assert (there["images"], there["missing"], there["mean_iou"]) == (2, 1, 50)
    assert (back["images"], back["missing"], back["mean_iou"]) == (1, 0, 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.json"], "one file alone has nothing to be compared with"),
        (["a.json", "none.json"], "none.json does not exist"),
        (["a.json", "--config", str(ROOT / "configs/wend/fcos_r50_cub.py")], "data_root"),
    ],
)
def test_refusals_are_one_line(tool, tmp_path, capsys, words, message):
    write(tmp_path / "a.json", {"x.jpg": [[0, 0, 8, 8]]})
    words = [str(tmp_path / word) if word.endswith(".json") else word for word in words]
    with pytest.raises(SystemExit):
        tool.main([*words, "--data-root", str(tmp_path / "nowhere")])
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
