"""Pictures of figures: each result moves something, what is not measured is left out."""

import json

import cv2
import pytest

from studies.harness.store import result_file
from studies.harness.trial import Trial
from studies.papers.figures import draw_curves, draw_gains, draw_points
from studies.papers.tables import Column, MeasuredTable, PaperTable, Row, write_tables

TRIAL = Trial("configs/cam/resnet18_toy.py")
COLUMNS = (Column("Top-1 Cls", ("top1_cls",)), Column("GT-known", ("gt_known",)))
DRAWN = {
    draw_curves: [("a", "0"), ("a", "0.1"), ("b", "0"), ("b", "0.1")],
    draw_gains: [("net", "base"), ("net", "cls"), ("net", "loc")],
    draw_points: [("a",), ("b",), ("c",)],
}


def measured(draw, numbers):
    """A figure with results of one metric value per row; None is not measured."""
    labels = DRAWN[draw]
    rows = tuple(Row(names, ("", ""), {"ours": TRIAL}) for names in labels)
    heads = tuple(f"label {number}" for number in range(len(labels[0])))
    table = PaperTable("Figure 4", "caption", heads, COLUMNS, rows, draw=draw)
    results = [
        {"ours": [] if n is None else [{"metrics": {"top1_cls": 90.0 + n, "gt_known": 50.0 - n}}]}
        for n in numbers
    ]
    return MeasuredTable(table, tuple(results))


@pytest.mark.parametrize("draw", list(DRAWN))
def test_every_result_is_in_the_picture(draw, tmp_path):
    def picture(*numbers):
        draw(measured(draw, numbers), tmp_path / "p.png")
        return cv2.imread(str(tmp_path / "p.png"))

    numbers = [1.0, 3.0, 2.0, 0.0][: len(DRAWN[draw])]
    whole = picture(*numbers)
    for number in range(len(numbers)):
        missing = picture(*numbers[:number], None, *numbers[number + 1 :])
        assert missing.shape == whole.shape
        assert (missing != whole).any()


def test_a_figure_is_drawn_where_something_is_measured(tmp_path):
    table = measured(draw_points, [None, None, None]).table
    assert "Picture" not in write_tables([table], [0], "title", "about", tmp_path)
    assert not (tmp_path / "figure_4.png").exists()
    facts = {"stamp": {}, "machine": {}, "epoch": 1, "config": "c.py", "data": "toy", "dials": []}
    metrics = {"top1_cls": 90.0, "gt_known": 50.0}
    content = {"metrics": metrics, "val": {}, "seed": 0, "wsol_mm": "1", **facts}
    (tmp_path / "results").mkdir()
    result_file(TRIAL, tmp_path / "results").write_text(json.dumps(content))
    assert "Picture: figure_4.png." in write_tables([table], [0], "title", "about", tmp_path)
    assert (tmp_path / "figure_4.png").stat().st_size > 1000
