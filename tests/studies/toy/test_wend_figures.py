"""WEND's figures: curves over seeds, and which images are shown with which boxes."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from studies.harness.trial import write_config
from studies.toy import wend_figures
from studies.toy.wend_figures import Line, Prediction, choose, curve, draw, draw_comparison
from wsol_mm.visualization.drawing import GROUND_TRUTH, PREDICTION

ROOT = Path(__file__).resolve().parents[3]


def test_a_curve_has_mean_and_range_of_the_epochs_that_every_seed_has():
    first = {"10": {"gt_known": 30.0}, "9": {"gt_known": 10.0}, "8": {"other": 1.0}}
    second = {"8": {"gt_known": 7.0}, "9": {"gt_known": 20.0}, "10": {"gt_known": 90.0}}
    found = curve([first, second], "gt_known")
    assert found == Line([9, 10], [15.0, 60.0], [10.0, 30.0], [20.0, 90.0])


@pytest.mark.parametrize("histories", [[], [{"1": {"gt_known": 1.0}}, {"2": {"gt_known": 1.0}}]])
def test_no_common_epoch_is_an_error(histories):
    with pytest.raises(ValueError, match=f"gt_known in all of {len(histories)} histories"):
        curve(histories, "gt_known")


def test_each_panel_shows_its_lines_and_their_range(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        wend_figures, "Figure", lambda **options: figures.append(Figure(**options)) or figures[0]
    )
    lines = {"a": Line([1, 2, 4], [1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [2.0, 3.0, 9.0])}
    longer = {"b": Line(list(range(1, 61)), [5.0] * 60, [5.0] * 60, [5.0] * 60), **lines}
    wend_figures.plot_curves({"left": longer, "right": lines}, tmp_path / "c.png")
    left, right = figures[0].axes
    assert [line.get_label() for line in left.lines] == ["b", "a"]
    assert right.lines[0].get_xydata().tolist() == [[1, 1], [2, 2], [4, 3]]
    band = right.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0
    assert band[:, 1].max() == 9
    assert left.get_xticks().tolist() == [1, 2, 4, 8, 16, 32]
    assert 0 < (tmp_path / "c.png").stat().st_size < 300_000


def prediction(iou, path="", scores=(0.9,)):
    """One true box of 10x10 and boxes inside it: of this IoU first, others of IoU 0.5."""
    boxes = [[0, 0, 10, 10 * iou], *[[0, 0, 10, 5]] * (len(scores) - 1)]
    return Prediction(path, np.array([[0.0, 0, 10, 10]]), np.array(boxes, float), np.array(scores))


def test_the_top_box_is_judged_and_an_image_without_a_box_is_wrong():
    assert prediction(0.2, scores=(0.9, 0.8)).iou == pytest.approx(0.2)
    assert prediction(0.2, scores=(0.9, 0.8)).ious == pytest.approx([0.2, 0.5])
    empty = Prediction("", np.array([[0.0, 0, 10, 10]]), np.zeros((0, 4)), np.zeros(0))
    assert empty.iou == 0


def test_images_are_chosen_by_rule():
    ious = [0.9, 0.1, 0.8, 0.1, 0.7, 0.6, 0.0, 0.5]
    found = {f"image{number}": prediction(iou) for number, iou in enumerate(ious)}
    spread, worst = choose(found, 3)
    assert spread == ["image0", "image2", "image4"]
    assert worst == ["image6", "image1", "image3"]
    assert [len(part) for part in choose(found, 20)] == [8, 8]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((96, 96, 3), 128, np.uint8))
    return str(path)


def test_the_best_box_lies_over_the_others_and_weak_ones_are_left_out(photo):
    boxes = np.array([[10.0, 50, 30, 90], [40, 50, 60, 90], [70, 50, 90, 90]])
    picture = draw(Prediction(photo, boxes[:1], boxes, np.array([0.9, 0.31, 0.29])))
    assert picture.shape == (192, 192, 3)
    edges = [picture[160, 2 * x].tolist() for x in (10, 40, 70)]
    assert edges == [list(PREDICTION), list(wend_figures.OTHERS), [128] * 3]


def test_left_columns_are_evenly_spread_and_right_ones_the_worst(photo, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        wend_figures,
        "image_grid",
        lambda rows, titles, **_: shown.append((rows, titles)) or rows[0][0],
    )
    weak = {name: prediction(0.4, photo) for name in "abcd"}
    ious = {"a": 0.9, "b": 0.0, "c": 0.8, "d": 0.1}
    judged = {name: prediction(iou, photo) for name, iou in ious.items()}
    file = tmp_path / "boxes.jpg"
    draw_comparison({"SCR": weak, "BCD": judged}, "BCD", 2, file)
    ((rows, titles),) = shown
    assert titles == ["evenly spread: truth", "SCR", "BCD", "worst: truth", "SCR", "BCD"]
    wanted = [("a", "b"), ("c", "d")]
    for row, (left, right) in zip(rows, wanted, strict=True):
        for cell, name in zip((row[2], row[5]), (left, right), strict=True):
            np.testing.assert_array_equal(cell, draw(judged[name]))
        np.testing.assert_array_equal(row[1], draw(weak[left]))
        assert (row[0] == GROUND_TRUTH).all(axis=2).any()
    assert file.is_file()


def test_five_rows_of_noisy_images_fit_a_document(tmp_path):
    photo, file = str(tmp_path / "photo.png"), tmp_path / "boxes.jpg"
    noise = np.random.default_rng(0).normal(128, 5, (96, 96, 3))
    cv2.imwrite(photo, noise.clip(0, 255).astype(np.uint8))
    found = {str(number): prediction(0.4, photo) for number in range(10)}
    draw_comparison({"SCR": found, "BCD": found}, "BCD", 5, file)
    assert cv2.imread(str(file)).shape[0] > 5 * 192
    assert file.stat().st_size < 300_000


def test_models_must_have_seen_the_same_images(photo, tmp_path):
    one, two = {"a": prediction(0.5, photo)}, {"b": prediction(0.5, photo)}
    with pytest.raises(ValueError, match="SCR and BCD were tested on different images"):
        draw_comparison({"SCR": one, "BCD": two}, "BCD", 1, tmp_path / "x.jpg")


def test_predictions_of_a_checkpoint_are_sorted_and_in_the_original_frame(tmp_path, monkeypatch):
    scenes = tmp_path / "scenes"
    tool = ROOT / "tools/dataset_converters/make_toy.py"
    words = ["--out", scenes, "--train", 6, "--val", 6, "--test", 6, "--size", 64]
    monkeypatch.setattr(sys, "argv", [str(tool), *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tool), run_name="__main__")
    assert not ended.value.code
    cfg = Config.fromfile(ROOT / "configs/wend/fcos_r18_toy.py")
    cfg.test_dataloader.num_workers = 0
    cfg.model.detector.test_cfg.score_thr = 0.0
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(cfg.model)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "weights.pth")
    config = write_config(cfg, tmp_path / "config.py", {"data": scenes})
    found = wend_figures.predict(config, tmp_path / "weights.pth")
    assert len(found) == 6
    for entry in found.values():
        assert Path(entry.path).is_file()
        assert entry.truth.shape == (1, 4)
        assert len(entry.boxes) == len(entry.scores) > 1
        assert (np.diff(entry.scores) <= 0).all()
        assert entry.boxes.max() <= 64
