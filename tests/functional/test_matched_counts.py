"""Several boxes at equal counts: by hand, and what must hold for any detections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.image_record import BoxRecord
from wsol_mm.functional.matched_counts import boxes_at_mean, top_boxes


def record(name, *pairs):
    """(score, IoU) pairs, sorted by score as records are."""
    pairs = sorted(pairs, reverse=True)
    scores, ious = (np.array([pair[k] for pair in pairs], dtype=float) for k in (0, 1))
    return BoxRecord(img_id=name, gt_label=0, num_gt=1, box_iou=ious, box_score=scores)


ROWS = [
    record("a", (0.9, 0.1), (0.8, 0.7), (0.1, 0.9)),
    record("b", (0.3, 0.5)),
    record("c"),
    record("d", (0.7, 0.2), (0.6, 0.3), (0.5, 0.4), (0.4, 0.6)),
]


def test_the_best_of_each_image():
    assert [top_boxes(ROWS, count) for count in (1, 2, 4)] == [25, 50, 75]
    assert top_boxes(ROWS, 1, least=0.1) == 75


def test_the_best_of_all_images():
    # 4 boxes: .9 .8 .7 .6; 6 boxes: .5 and .4 too; 8: all
    assert [boxes_at_mean(ROWS, mean) for mean in (1, 1.5, 2, 9)] == [25, 50, 75, 75]


@pytest.mark.parametrize("call", [lambda r: top_boxes(r, 1), lambda r: boxes_at_mean(r, 1.0)])
def test_no_records(call):
    with pytest.raises(ValueError, match="0 records"):
        call([])


def test_no_boxes_asked():
    with pytest.raises(ValueError, match="4 records and 0 boxes"):
        top_boxes(ROWS, 0)
    with pytest.raises(ValueError, match="mean 0"):
        boxes_at_mean(ROWS, 0)


PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=5)


@given(st.lists(PAIRS, min_size=1, max_size=6), st.integers(1, 5))
def test_more_boxes_are_never_worse_and_all_boxes_are_the_end(images, count):
    rows = [record(str(n), *pairs) for n, pairs in enumerate(images)]
    every = 100 * sum(row.box_iou.max(initial=0) >= 0.5 for row in rows) / len(rows)
    assert top_boxes(rows, count) <= top_boxes(rows, count + 1) <= every
    assert boxes_at_mean(rows, count) <= boxes_at_mean(rows, count + 1) <= every
    assert top_boxes(rows, 5) == pytest.approx(every)
    assert boxes_at_mean(rows, 5) == pytest.approx(every)
