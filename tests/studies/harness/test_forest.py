"""Forest plots: every row is there, and the same numbers give the same file."""

from studies.harness.forest import BETTER, INK, KINDS, WORSE, draw_forest, draw_groups
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


def test_points_of_a_row_have_the_colour_and_height_of_their_kind(tmp_path):
    span = Interval(50, 40, 60)
    panels = [("first", 70.0, [[span, span], [None, span]]), ("second", None, [[None] * 2] * 2)]
    draw_groups(["a", "b"], ["one", "two"], panels, tmp_path / "a.svg")
    draw_groups(["a", "b"], ["one", "two"], panels, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(f"<!-- {label} -->" in text for label in ("a", "b", "one", "two", "first", "second"))
    # one row has both kinds, the other the second; the dashed line is the first panel's
    lines = [text.count(f"stroke: {colour}; stroke-width: 1.5") for colour, _ in KINDS]
    assert lines == [1, 2, 0, 0]
    assert text.count("stroke-dasharray") == 1
