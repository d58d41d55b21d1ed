"""Forest plots: every row is there, and the same numbers give the same file."""

from studies.harness.forest import BETTER, INK, WORSE, draw_forest
from studies.harness.images import Interval


def test_rows_are_drawn_in_their_colours_and_reproducibly(tmp_path):
    rows = [
        ("better", [Interval(3, 1, 5), None]),
        ("worse", [Interval(-3, -5, -1), Interval(0, -1, 1)]),
    ]
    files = [tmp_path / name for name in ("a.svg", "b.svg")]
    for file in files:
        draw_forest(rows, ["first", "second"], file)
    text = files[0].read_text()
    assert all(colour in text for colour in (BETTER, WORSE, INK))
    assert all(f"<!-- {label} -->" in text for label in ("better", "worse", "first", "second"))
    assert files[0].read_bytes() == files[1].read_bytes()
