"""tools/joint_eval.py: boxes and classes from different models, by hand."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from wsol_mm.evaluation.wsol_metric import WSOLMetric

ROOT = Path(__file__).resolve().parents[2]
SIZE = 224

# name: (label, ground truth, detections with scores, the classifier's ranking)
IMAGES = {
    "a.jpg": (0, (0, 0, 100, 100), [((0, 0, 100, 100), 0.9)], [0, 1, 2, 3, 4, 5]),
    "b.jpg": (
        1,
        (0, 0, 100, 100),
        [((150, 150, 200, 200), 0.8), ((0, 0, 100, 100), 0.7)],
        [0, 1, 2, 3, 4, 5],
    ),
    "c.jpg": (5, (0, 0, 100, 100), [((0, 0, 100, 100), 0.9)], [0, 1, 2, 3, 4, 5]),
    "d.jpg": (2, (0, 0, 100, 100), [], [2, 1, 0, 3, 4, 5]),
}
EXPECTED = {
    "top1_cls": 50.0,  # a, d
    "top5_cls": 75.0,  # a, b, d
    "gt_known": 50.0,  # a, c
    "top1_loc": 25.0,  # a
    "top5_loc": 25.0,  # a
    "multi_gt_known": 75.0,  # a, b, c
    "multi_top5_loc": 50.0,  # a, b
    "mean_boxes": 1.0,
}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("joint_eval", ROOT / "tools" / "joint_eval.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "image_ids.txt").write_text("\n".join(IMAGES))
    (lists / "class_labels.txt").write_text("\n".join(f"{n},{i[0]}" for n, i in IMAGES.items()))
    (lists / "image_sizes.txt").write_text("\n".join(f"{name},{SIZE},{SIZE}" for name in IMAGES))
    (lists / "localization.txt").write_text(
        "\n".join(f"{n}," + ",".join(map(str, i[1])) for n, i in IMAGES.items())
    )
    scores = np.zeros((4, 6), dtype=np.float32)
    for row, (_, _, _, ranking) in enumerate(IMAGES.values()):
        scores[row, ranking] = np.linspace(1, 0, 6)
    np.savez(tmp_path / "scores.npz", img_ids=np.array(list(IMAGES)), scores=scores)
    return tmp_path


def results_json(key=lambda name: name):
    return [
        {"image_id": key(name), "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        for name, (_, _, found, _) in IMAGES.items()
        for (x0, y0, x1, y1), score in found
    ]


def run(tool, folder, boxes, *more):
    out = folder / "joint.json"
    arguments = ["--boxes", folder / boxes, "--scores", folder / "scores.npz", "--out", out, *more]
    try:
        tool.main([*map(str, arguments), "--bootstrap", "10"])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, json.loads(out.read_text()) if out.exists() else None


def check(got):
    assert {key: got[key] for key in EXPECTED} == pytest.approx(EXPECTED)
    assert got["stamp"]["classifier"].endswith("scores.npz")
    assert "trivial_centre" in got


def test_results_with_names_numbers_and_pseudo_box_files(tool, files):
    lists = ("--metadata", files / "lists")
    (files / "boxes.json").write_text(json.dumps(results_json()))
    check(run(tool, files, "boxes.json", *lists)[1])
    coco = [{"id": k + 10, "file_name": name} for k, name in enumerate(IMAGES)]
    (files / "images.json").write_text(json.dumps({"images": coco}))
    numbered = results_json(lambda name: list(IMAGES).index(name) + 10)
    (files / "boxes.json").write_text(json.dumps(numbered))
    check(run(tool, files, "boxes.json", *lists, "--images", files / "images.json")[1])
    (files / "boxes.json").write_text(json.dumps({"images": coco, "annotations": numbered}))
    code, got = run(tool, files, "boxes.json", *lists, "--protocol", "original")
    assert code == 0
    check(got)
    assert got["stamp"]["protocol"]["name"] == "original"


def test_records_keep_their_protocol(tool, files):
    metric = WSOLMetric(protocol="original", bootstrap=0, out=str(files / "wsol.json"))
    for name, (label, truth, found, _) in IMAGES.items():
        sample = {
            "img_id": name,
            "gt_label": label,
            "ori_shape": (SIZE, SIZE),
            "gt_instances": {"bboxes": np.array([truth])},
            "pred_instances": {
                "bboxes": np.array([box for box, _ in found]).reshape(-1, 4),
                "scores": np.array([score for _, score in found]),
            },
        }
        metric.process(None, [sample])
    alone = metric.evaluate(4)
    assert "wsol/top1_loc" not in alone
    code, got = run(tool, files, "wsol_records.npz", "--records", files / "joined.npz")
    assert code == 0
    check(got)
    assert got["stamp"]["protocol"]["name"] == "original"
    # The joined records join again, to the same numbers.
    assert run(tool, files, "joined.npz")[1]["top1_loc"] == EXPECTED["top1_loc"]


def test_images_with_several_objects_have_coco_ap(tool, files):
    lists = ("--metadata", files / "lists")
    (files / "boxes.json").write_text(json.dumps(results_json()))
    assert "coco_ap" not in run(tool, files, "boxes.json", *lists)[1]
    with (files / "lists/localization.txt").open("a") as file:
        file.write("\nd.jpg,100,100,200,200")
    got = run(tool, files, "boxes.json", *lists)[1]
    # ranked: a and c right, b's first wrong, b's second right; 5 objects: 40 % recall at precision
    # 1 (levels 0 to 0.40), 60 % at 3/4 (20 levels); all boxes exact
    expected = 100 * (41 + 20 * 3 / 4) / 101
    assert [got[key] for key in ("coco_ap", "coco_ap50", "coco_ap75")] == [
        pytest.approx(expected)
    ] * 3


def test_records_of_maps_keep_their_threshold(tool, files):
    metric = WSOLMetric(
        bootstrap=0,
        out=str(files / "wsol.json"),
        threshold={"value": 0.4, "source": "val"},
        box_rule="all",
    )
    rng = np.random.default_rng(0)
    for name, (label, truth, _, _) in IMAGES.items():
        sample = {
            "img_id": name,
            "gt_label": label,
            "ori_shape": (SIZE, SIZE),
            "img_shape": (SIZE, SIZE),
            "homography_matrix": np.eye(3),
            "gt_instances": {"bboxes": np.array([truth])},
            "pred_maps": rng.random((1, 7, 7)),
            "map_labels": np.array([-1]),
        }
        metric.process(None, [sample])
    alone = metric.evaluate(4)
    got = run(tool, files, "wsol_records.npz")[1]
    assert got["gt_known"] == alone["wsol/gt_known"]
    assert got["stamp"]["threshold"] == {"source": "val", "value": 0.4, "interval": 0.001}
    assert got["stamp"]["box_rule"] == "all"
    assert got["stamp"]["normalization"] == "minmax"
    assert got["top5_cls"] == 75.0


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (None, ["--metadata"], ["boxes.json", "does not exist"]),
        ("{", ["--metadata"], ["boxes.json", "readable json"]),
        ([], [], ["--metadata"]),
        ({"boxes": []}, ["--metadata"], ["images with id and file_name"]),
        ([{"image_id": "a.jpg", "bbox": [0, 0, 1]}], ["--metadata"], ["entry 0", "bbox"]),
        ([{"image_id": "a.jpg", "bbox": [0, 0, 1, 1]}], ["--metadata"], ["entry 0", "score"]),
        ([{"image_id": 3, "bbox": [0, 0, 1, 1], "score": 1}], ["--metadata"], ["--images"]),
        ([{"image_id": "z", "bbox": [0, 0, 1, 1], "score": 1}], ["--metadata"], ["'z'"]),
    ],
)
def test_bad_boxes(tool, files, capsys, content, more, words):
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        (files / "boxes.json").write_text(text)
    more = [*more, files / "lists"] if more else []
    code, got = run(tool, files, "boxes.json", *more)
    assert (code, got) == (2, None)
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: ")
    assert all(word in message for word in words), message


def test_bad_scores(tool, files, capsys):
    (files / "boxes.json").write_text(json.dumps(results_json()))
    lists = ("--metadata", files / "lists")
    np.savez(files / "scores.npz", img_ids=np.array(list(IMAGES)[:3]), scores=np.zeros((3, 6)))
    assert run(tool, files, "boxes.json", *lists) == (2, None)
    assert "scores.npz has no scores for image 'd.jpg'" in capsys.readouterr().err
    np.savez(files / "scores.npz", img_ids=np.array(list(IMAGES)), scores=np.zeros((4, 3)))
    assert run(tool, files, "boxes.json", *lists) == (2, None)
    assert "3 classes, but image 'c.jpg' is of class 5" in capsys.readouterr().err
