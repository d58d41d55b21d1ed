"""tools/eval_maps.py against a slow sweep with OpenCV contours, and its errors."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from wsol_mm.evaluation.records import load_records

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("eval_maps", ROOT / "tools" / "eval_maps.py")
    module = importlib.util.module_from_spec(spec)
    # The workers look functions up by this name.
    sys.modules["eval_maps"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["eval_maps"]


def smooth_map(rng, cells=7):
    grown = cv2.resize(rng.random((cells, cells)), (224, 224), interpolation=cv2.INTER_CUBIC)
    grown -= grown.min()
    return grown / grown.max()


def write_lists(folder, images):
    """images: {id: (label, (width, height), [boxes])}."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {name: [] for name in ("image_ids", "class_labels", "image_sizes", "localization")}
    for name, (label, size, boxes) in images.items():
        lines["image_ids"].append(name)
        lines["class_labels"].append(f"{name},{label}")
        lines["image_sizes"].append(f"{name},{size[0]},{size[1]}")
        lines["localization"] += [f"{name}," + ",".join(map(str, box)) for box in boxes]
    for name, content in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(content))


@pytest.fixture
def split(tmp_path):
    """Five images with one to three boxes, ready maps, one of them empty."""
    rng = np.random.default_rng(5)
    images, maps = {}, {}
    for number in range(5):
        name = f"{number % 2}/{number}.jpg"
        width, height = (int(side) for side in rng.integers(150, 500, 2))
        boxes = []
        for _ in range(1 + number % 3):
            x0, y0 = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
            x1, y1 = int(rng.integers(x0 + 20, width)), int(rng.integers(y0 + 20, height))
            boxes.append((x0, y0, x1, y1))
        images[name] = (number % 2, (width, height), boxes)
        maps[name] = smooth_map(rng) if number < 4 else np.zeros((224, 224))
    maps["1/1.jpg"] *= 0.83
    write_lists(tmp_path / "lists", images)
    save_maps(tmp_path / "maps", maps)
    return tmp_path, images, maps


def save_maps(folder, maps):
    for name, score_map in maps.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, score_map)


def slow_best_ious(score_map, size, boxes, threshold, largest):
    """Best IoU by the reference's rules, contour by contour, in integers."""
    grey = (score_map * 255).astype(np.uint8)
    mask = (grey > int(threshold * grey.max())).astype(np.uint8)
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if largest and contours:
        contours = [max(contours, key=cv2.contourArea)]
    found = [(0, 0, 0, 0)] if not contours else []
    for x, y, width, height in map(cv2.boundingRect, contours):
        found.append((x, y, min(x + width, 223), min(y + height, 223)))
    best = 0.0
    for box in boxes:
        truth = [int(side * 224 / size[k % 2]) for k, side in enumerate(box)]
        for x0, y0, x1, y1 in found:
            wide = min(x1, truth[2]) - max(x0, truth[0]) + 1
            high = min(y1, truth[3]) - max(y0, truth[1]) + 1
            shared = max(wide, 0) * max(high, 0)
            areas = (x1 - x0 + 1) * (y1 - y0 + 1)
            areas += (truth[2] - truth[0] + 1) * (truth[3] - truth[1] + 1)
            best = max(best, shared / (areas - shared))
    return best


def test_equals_the_slow_sweep(exit_code, tool, split, capsys):
    folder, images, maps = split
    out = folder / "result.json"
    arguments = ["--maps", folder / "maps", "--metadata", folder / "lists", "--out", out]
    arguments += ["--interval", "0.02", "--processes", "2", "--bootstrap", "10"]
    arguments += ["--records", folder / "records.npz"]
    assert exit_code(tool.main, arguments) == 0
    got = json.loads(out.read_text())
    grid = np.arange(0, 1, 0.02)
    for key, delta, largest in (
        ("max_box_acc", 50, True),
        ("max_box_acc_v2_iou30", 30, False),
        ("max_box_acc_v2_iou50", 50, False),
        ("max_box_acc_v2_iou70", 70, False),
    ):
        curve = np.zeros(len(grid))
        for name, (_, size, boxes) in images.items():
            for column, threshold in enumerate(grid):
                iou = slow_best_ious(maps[name], size, boxes, threshold, largest)
                curve[column] += iou >= delta / 100
        assert got["curves"][key] == (curve * 100.0 / len(images)).tolist(), key
        assert got[key] == curve.max() * 100.0 / len(images)
        assert got["thresholds"][key] == grid[curve.argmax()]
    assert got["max_box_acc_v2"] == pytest.approx(
        np.mean([got[f"max_box_acc_v2_iou{delta}"] for delta in (30, 50, 70)])
    )
    assert 0 < got["max_box_acc_v2_iou50"] < 100
    assert got["stamp"]["maps"] == "ready"
    assert got["stamp"]["threshold"]["interval"] == 0.02
    assert {"trivial_whole_iou50", "trivial_centre", "gt_known"} <= got.keys()
    assert "max_box_acc_v2" in capsys.readouterr().out
    assert len(load_records(folder / "records.npz")[0]) == 5


def test_gt_known_at_the_ious_asked_for(exit_code, tool, split):
    folder, images, maps = split
    out = folder / "result.json"
    arguments = ["--maps", folder / "maps", "--metadata", folder / "lists", "--out", out]
    arguments += ["--threshold", "0.4", "--iou-thrs", "0.2", "0.9", "--bootstrap", "0"]
    assert exit_code(tool.main, [*arguments, "--processes", "1"]) == 0
    got = json.loads(out.read_text())
    for key, iou_thr in (("gt_known", 0.5), ("gt_known_iou20", 0.2), ("gt_known_iou90", 0.9)):
        right = [
            slow_best_ious(maps[name], size, boxes, 0.4, True) >= iou_thr
            for name, (_, size, boxes) in images.items()
        ]
        assert got[key] == 100 * np.mean(right)
    assert "gt_known_iou70" not in got


def test_raw_maps_are_upsampled_and_said_to_be(exit_code, tool, tmp_path):
    rng = np.random.default_rng(0)
    images = {f"{k}.jpg": (0, (300, 200), [(30, 40, 200, 150)]) for k in range(3)}
    raw = {name: rng.random((14, 14)).astype(np.float32) - 0.5 for name in images}
    ready = {}
    for name, low in raw.items():
        grown = cv2.resize(low.astype(np.float64), (224, 224), interpolation=cv2.INTER_CUBIC)
        grown -= grown.min()
        ready[name] = grown / grown.max()
    write_lists(tmp_path / "lists", images)
    save_maps(tmp_path / "raw", raw)
    save_maps(tmp_path / "ready", ready)
    results = {}
    for kind in ("raw", "ready"):
        out = tmp_path / f"{kind}.json"
        arguments = ["--maps", tmp_path / kind, "--metadata", tmp_path / "lists", "--out", out]
        assert (
            exit_code(tool.main, [*map(str, arguments), "--processes", "1", "--bootstrap", "0"])
            == 0
        )
        results[kind] = json.loads(out.read_text())
        stamp = results[kind].pop("stamp")
        assert stamp["maps"] == kind
        assert stamp["normalization"] == ("minmax" if kind == "raw" else None)
    assert results["raw"] == results["ready"]


def test_masks(exit_code, tool, tmp_path):
    rng = np.random.default_rng(3)
    masks = tmp_path / "masks"
    masks.mkdir()
    lists = tmp_path / "lists"
    write_lists(lists, {"a.jpg": (0, (1, 1), []), "b.jpg": (1, (1, 1), [])})
    (lists / "image_sizes.txt").write_text("")
    (lists / "localization.txt").write_text(
        "a.jpg,a1.png,ai.png\na.jpg,a2.png,\nb.jpg,b1.png,bi.png"
    )
    drawn, maps = {}, {"a.jpg": smooth_map(rng), "b.jpg": smooth_map(rng)}
    # Widths where integer division picks other pixels than OpenCV; each mask has its own size.
    for name, shape in (("a1", (300, 443)), ("a2", (500, 886)), ("ai", (300, 443))):
        drawn[name] = cv2.resize(rng.random((5, 5)), shape[::-1]) > 0.55
    drawn["b1"], drawn["bi"] = rng.random((260, 250)) > 0.5, np.zeros((260, 250), bool)
    for name, mask in drawn.items():
        cv2.imwrite(str(masks / f"{name}.png"), mask.astype(np.uint8) * 255)
    save_maps(tmp_path / "maps", maps)
    out = tmp_path / "o.json"
    arguments = ["--maps", tmp_path / "maps", "--metadata", lists, "--out", out]
    arguments = [*map(str, arguments), "--processes", "1", "--bootstrap", "5"]
    assert exit_code(tool.main, arguments) == 2
    assert not out.exists()
    assert exit_code(tool.main, [*arguments, "--dataset-masks", str(masks)]) == 0

    small = {
        name: cv2.resize(mask.astype(np.float32), (224, 224), interpolation=cv2.INTER_NEAREST) > 0.5
        for name, mask in drawn.items()
    }
    edges = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
    fg, bg = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for name, parts, ignore in (("a", ["a1", "a2"], "ai"), ("b", ["b1"], "bi")):
        object_ = np.logical_or.reduce([small[part] for part in parts])
        background = ~object_ & ~small[ignore]
        fg += np.histogram(maps[f"{name}.jpg"][object_], bins=edges)[0]
        bg += np.histogram(maps[f"{name}.jpg"][background], bins=edges)[0]
    true, false = np.cumsum(fg[::-1]), np.cumsum(bg[::-1])
    seen = np.maximum(true + false, 1)
    area = (true / seen)[1:] * np.diff(true / true[-1])
    got = json.loads(out.read_text())
    assert got["pxap"] == pytest.approx(100 * area.sum(), abs=1e-9)
    assert "max_box_acc" not in got


def test_centred_squares_on_the_real_cub_list(exit_code, tool, shared_data, tmp_path):
    lists = shared_data / "wsol_metadata" / "CUB" / "test"
    out = tmp_path / "o.json"
    arguments = ["--trivial-only", "--metadata", lists, "--out", out, "--processes", "1"]
    assert exit_code(tool.main, [*map(str, arguments), "--bootstrap", "20"]) == 0
    got = json.loads(out.read_text())
    expected = {"_iou30": 93.9, "_iou50": 59.6, "_iou70": 17.0, "": 56.8}
    for suffix, value in expected.items():
        assert got[f"trivial_centre{suffix}"] == pytest.approx(value, abs=0.3)
    assert got["trivial_whole"] < got["trivial_centre"]
    assert got["stamp"]["images"] == 5794


def break_nan(folder, maps):
    maps["0/0.jpg"][3, 4] = np.nan
    save_maps(folder / "maps", maps)


def break_text(name, old, new):
    def broken(folder, maps):
        path = folder / "lists" / f"{name}.txt"
        path.write_text(path.read_text().replace(old, new, 1))

    return broken


def replace_map(array):
    return lambda folder, _: np.save(folder / "maps/0/0.jpg.npy", array)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (replace_map(np.zeros((224, 224), int)), ["0/0.jpg.npy", "floating", "int64"]),
        (
            replace_map(np.zeros((224, 224), np.float32)),
            ["0/0.jpg.npy", "float64, got float32", "--normalization minmax"],
        ),
        (replace_map(np.zeros((1, 224, 224))), ["0/0.jpg.npy", "two dimensions"]),
        (replace_map(np.full((224, 224), 1.5)), ["0/0.jpg", "[0, 1]"]),
        (replace_map(np.zeros((14, 14))), ["1/1.jpg.npy", "--normalization"]),
        (lambda folder, _: (folder / "maps/0/2.jpg.npy").unlink(), ["1 missing", "0/2.jpg.npy"]),
        (lambda folder, _: np.save(folder / "maps/x.npy", 0.0), ["1 extra", "x.npy"]),
        (
            lambda folder, _: (folder / "maps/0/0.jpg.npy").write_text("no"),
            ["0/0.jpg.npy", "readable"],
        ),
        (break_text("class_labels", "0/0.jpg,0", "0/0.jpg"), ["class_labels.txt:1"]),
        (break_text("class_labels", "0/2.jpg", "0/9.jpg"), ["class_labels.txt:3", "0/9.jpg"]),
        (break_text("localization", "1/1.jpg", "1/7.jpg"), ["localization.txt:2", "1/7.jpg"]),
        (break_text("image_sizes", "0/4.jpg,", "0/2.jpg,"), ["image_sizes.txt:5", "0/2.jpg"]),
        (lambda folder, _: (folder / "lists/image_sizes.txt").unlink(), ["image_sizes.txt"]),
        (lambda folder, _: (folder / "lists/localization.txt").unlink(), ["localization.txt"]),
    ],
)
@pytest.mark.parametrize("processes", ["1"])
def test_bad_input_is_one_line_and_writes_nothing(
    exit_code, tool, split, capsys, damage, words, processes
):
    folder, _, maps = split
    damage(folder, maps)
    before = sorted(folder.rglob("*"))
    arguments = ["--maps", folder / "maps", "--metadata", folder / "lists"]
    arguments += ["--out", folder / "out.json", "--processes", processes, "--bootstrap", "0"]
    assert exit_code(tool.main, arguments) == 2
    message = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(message) == 1
    assert all(word in message[0] for word in words), message[0]
    assert sorted(folder.rglob("*")) == before


def test_an_error_in_a_worker_arrives(exit_code, tool, split, capsys):
    folder, _, maps = split
    np.save(folder / "maps/0/2.jpg.npy", maps["0/2.jpg"].astype(np.float32))
    arguments = ["--maps", folder / "maps", "--metadata", folder / "lists"]
    arguments += ["--out", folder / "out.json", "--processes", "2"]
    assert exit_code(tool.main, arguments) == 2
    assert "0/2.jpg.npy: a map of the frame" in capsys.readouterr().err


def test_a_map_with_nan_is_wrong_and_counted(exit_code, tool, split, capsys):
    folder, _, maps = split
    out = folder / "out.json"
    arguments = ["--maps", folder / "maps", "--metadata", folder / "lists", "--out", out]
    arguments += [
        "--processes",
        "1",
        "--bootstrap",
        "0",
        "--threshold",
        "0.2",
        "--iou-thrs",
        "0.01",
    ]
    assert exit_code(tool.main, arguments) == 0
    before = json.loads(out.read_text())["gt_known_iou1"]
    capsys.readouterr()
    break_nan(folder, maps)
    assert exit_code(tool.main, arguments) == 0
    after = json.loads(out.read_text())
    assert after["gt_known_iou1"] == before - 20
    assert after["stamp"]["degenerate"] == {"nan_maps": 1, "blank_maps": 1}
    assert "among 5 images, counted as wrong: nan maps 1, blank maps 1" in capsys.readouterr().err


def evaluate(exit_code, tool, folder, *words):
    """Numbers of a run of the tool over ``folder/maps``."""
    out = folder / "own.json"
    arguments = ["--maps", folder / "maps", "--out", out, "--processes", "1", "--bootstrap", "0"]
    assert exit_code(tool.main, [*arguments, *words]) == 0
    return json.loads(out.read_text())


def as_coco(images, segmentations=False):
    content = {"images": [], "annotations": [], "categories": [{"id": 7}, {"id": 9}]}
    for number, (name, (label, (width, height), boxes)) in enumerate(images.items()):
        size = {"width": width, "height": height}
        content["images"].append({"id": number, "file_name": name, **size})
        for x0, y0, x1, y1 in boxes:
            entry = {"id": len(content["annotations"]), "image_id": number}
            entry |= {"category_id": (7, 9)[label], "bbox": [x0, y0, x1 - x0, y1 - y0]}
            if segmentations:
                entry["segmentation"] = [[x0, y0, x1, y0, x1, y1, x0, y1]]
            content["annotations"].append(entry)
    return content


def comparable(numbers):
    return {key: value for key, value in numbers.items() if key != "stamp"}


@pytest.mark.parametrize("kind", ["coco", "xml", "txt"])
def test_boxes_need_no_lists(kind, exit_code, tool, split):
    folder, images, _ = split
    wanted = evaluate(exit_code, tool, folder, "--metadata", folder / "lists")
    words = ["--truth", folder / "truth"]
    if kind == "coco":
        words = ["--truth", folder / "truth.json"]
        words[1].write_text(json.dumps(as_coco(images)))
    for name, (_, (width, height), boxes) in images.items() if kind != "coco" else ():
        # with the image's extension, and without
        file = folder / "truth" / f"{name if kind == 'xml' else name[:-4]}.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        keys = ("xmin", "ymin", "xmax", "ymax")
        if kind == "txt":
            file.write_text("\n".join(" ".join(map(str, box)) for box in boxes) + "\n")
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / name), np.zeros((height, width, 3), np.uint8))
            continue
        ends = ["".join(f"<{k}>{v}</{k}>" for k, v in zip(keys, box, strict=True)) for box in boxes]
        objects = "".join(f"<object><name>x</name><bndbox>{end}</bndbox></object>" for end in ends)
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        file.write_text(f"<annotation>{size}{objects}</annotation>")
    if kind == "txt":
        words += ["--images", folder / "images"]
    assert comparable(evaluate(exit_code, tool, folder, *words)) == comparable(wanted)


def test_a_plain_folder_of_masks(exit_code, tool, split):
    folder, _, maps = split
    for name, score_map in maps.items():
        file = folder / "masks" / f"{name[:-4]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), (score_map > 0.6).astype(np.uint8) * 255)
    got = evaluate(exit_code, tool, folder, "--truth", folder / "masks")
    assert got["pxap"] == pytest.approx(100)
    assert "max_box_acc" not in got


def test_segmentations_of_a_coco_file_are_masks_beside_the_boxes(exit_code, tool, split):
    folder, images, _ = split
    (folder / "truth.json").write_text(json.dumps(as_coco(images, segmentations=True)))
    got = evaluate(exit_code, tool, folder, "--truth", folder / "truth.json")
    wanted = evaluate(exit_code, tool, folder, "--metadata", folder / "lists")
    assert 0 < got.pop("pxap") < 100
    assert got["max_box_acc_v2"] == wanted["max_box_acc_v2"]


def test_the_rule_of_2016_by_hand(exit_code, tool, tmp_path):
    """Columns of values -5, 1, 2, 10: above a fifth of the maximum is the last quarter alone.

    Min-max would lift them to 0, .4, .47, 1, of which three quarters pass.
    """
    images = {"a.jpg": (0, (224, 224), [(168, 0, 223, 223)])}
    score_map = np.repeat([[-5.0, 1.0, 2.0, 10.0]], 224, axis=0).repeat(56, axis=1)
    save_maps(tmp_path / "maps", {"a.jpg": score_map.astype(np.float32)})
    write_lists(tmp_path / "lists", images)
    words = ["--metadata", tmp_path / "lists"]
    got = evaluate(exit_code, tool, tmp_path, *words, "--protocol", "cam_2016")
    assert got["gt_known_iou70"] == 100
    assert got["stamp"]["threshold"] == {"source": "fixed", "value": 0.2, "interval": 0.001}
    assert got["stamp"]["normalization"] == "max"
    other = ["--normalization", "minmax", "--threshold", "0.2"]
    assert evaluate(exit_code, tool, tmp_path, *words, *other)["gt_known_iou70"] == 0
    arguments = ["--maps", tmp_path / "maps", *words, "--out", tmp_path / "x.json"]
    arguments += ["--protocol", "cam_2016"]
    for refused in (["--threshold", "0.3"], ["--normalization", "pas", "--percentile", "90"]):
        assert exit_code(tool.main, [*arguments, *refused]) == 2


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "truth/0/0.txt").unlink(), ["maps without truth", "0/0.jpg"]),
        (lambda folder: (folder / "truth/x.txt").write_text(""), ["files without a map", "x"]),
        (lambda folder: (folder / "truth/0/0.txt").write_text("1 2 3"), ["0.txt:1", "x0 y0 x1 y1"]),
        (lambda folder: (folder / "truth/0/0.txt").write_text(""), ["0.txt holds no box"]),
        (lambda folder: (folder / "images/0/0.jpg").unlink(), ["has no image 0/0.jpg"]),
        (lambda folder: (folder / "truth/0/0.txt").write_text("9 9 5 5"), ["has no area"]),
    ],
)
def test_plain_truth_that_does_not_fit(damage, words, exit_code, tool, split, capsys):
    folder, images, _ = split
    for name, (_, (width, height), boxes) in images.items():
        for kind in ("truth", "images"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        lines = "\n".join(",".join(map(str, box)) for box in boxes)
        (folder / "truth" / name).with_suffix(".txt").write_text(lines)
        cv2.imwrite(str(folder / "images" / name), np.zeros((height, width, 3), np.uint8))
    damage(folder)
    arguments = ["--maps", folder / "maps", "--truth", folder / "truth", "--out", folder / "o.json"]
    assert exit_code(tool.main, [*arguments, "--images", folder / "images"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert all(word in error for word in words), error


def test_maps_or_trivial_only(tool, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        tool.main(["--metadata", str(tmp_path), "--out", str(tmp_path / "o.json")])
    assert stop.value.code == 2
    assert "--maps or --trivial-only" in capsys.readouterr().err
