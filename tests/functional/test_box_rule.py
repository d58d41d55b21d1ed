"""The walk from a map to boxes and masks, against contours, by every rule."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.boxes import mean_level, otsu_level, two_threshold_box
from wsol_mm.functional.cam import normalize_map, to_grey, upsample_map
from wsol_mm.testing.sweep import contour_boxes


@pytest.mark.parametrize("components", ["largest", "all"])
@pytest.mark.parametrize("threshold", [0.35, "mean", "otsu"])
def test_boxes_of_a_map_equal_its_contours(threshold, components):
    raw = np.zeros((8, 10), np.float32)
    raw[[1, 1, 6, 5], [2, 7, 1, 7]] = 0.7, 0.8, 0.9, 1
    rule = BoxRule(threshold=threshold, components=components)
    got = rule.apply(raw, (50, 40))
    values = normalize_map(upsample_map(raw, (50, 40)))
    grey = to_grey(values)
    level = {
        0.35: lambda: int(0.35 * 255),
        "mean": lambda: mean_level(values),
        "otsu": lambda: otsu_level(grey),
    }[threshold]()
    frame = rule.frame(raw, (50, 40))
    assert (frame.values == values).all()
    assert rule.level(frame) == level
    mask = (grey > level).astype(np.uint8)
    expected = contour_boxes(mask, largest=components == "largest", plus_one=False)
    if components == "largest":
        assert got.tolist() == expected.tolist()
    else:
        assert len(got) == 4
        assert {tuple(box) for box in got} <= {tuple(box) for box in expected}
    assert got.dtype == np.float64


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(2, 9),
    st.sampled_from(["largest", "all"]),
    st.sampled_from([0.0, 0.4, "otsu", "mean"]),
)
def test_masks_belong_to_the_boxes(seed, height, width, components, threshold):
    score_map = np.random.default_rng(seed).integers(0, 5, (height, width)).astype(np.float64)
    rule = BoxRule(threshold=threshold, components=components)
    masks, boxes = rule.masks(score_map)
    assert masks.shape == (len(boxes), height, width)
    assert (len(boxes) == 0) == rule.frame(score_map).blank == (np.ptp(score_map) == 0)
    np.testing.assert_array_equal(boxes, rule.apply(score_map, (width, height)))
    assert [extent(mask) for mask in masks] == boxes.tolist()
    assert (masks.sum(axis=0) <= 1).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, "otsu", "mean"]))
def test_boxes_of_a_flipped_map_are_flipped(seed, threshold):
    score_map = np.random.default_rng(seed).random((4, 6))
    rule = BoxRule(threshold=threshold, components="all")
    boxes, flipped = (rule.apply(one, (24, 16)) for one in (score_map, score_map[:, ::-1]))
    flipped[:, [0, 2]] = 24 - flipped[:, [2, 0]]
    assert sorted(boxes.tolist()) == sorted(flipped.tolist())


def test_two_thresholds_are_the_papers_box():
    score_map = np.random.default_rng(0).normal(size=(5, 7))
    for threshold in (0.0, 0.4):
        rule = BoxRule(threshold=threshold, components="two_thresholds")
        wanted = two_threshold_box(score_map, size=(20, 30), threshold=threshold)
        assert rule.apply(score_map, (20, 30)).tolist() == wanted.tolist()
    with pytest.raises(ValueError, match="gives boxes, not masks"):
        rule.masks(score_map)


@pytest.mark.parametrize("components", ["largest", "all", "two_thresholds"])
@pytest.mark.parametrize("value", [0.0, 3.0, np.nan, np.inf, -np.inf])
def test_maps_without_contrast_or_with_nan_have_no_box(value, components):
    score_map = np.full((4, 4), value)
    rule = BoxRule(threshold=0.2, components=components)
    assert rule.apply(score_map, (8, 8)).shape == (0, 4)
    frame = rule.frame(score_map, (8, 8))
    assert (frame.blank, frame.finite) == (True, bool(np.isfinite(value)))
    score_map = np.eye(4)
    score_map[1, 2] = value
    assert len(rule.apply(score_map, (8, 8))) == (1 if np.isfinite(value) else 0) or (
        components == "all"
    )


@pytest.mark.parametrize(
    ("given", "threshold", "source"),
    [
        (0.25, 0.25, "fixed"),
        (0, 0.0, "fixed"),
        ("0.25", 0.25, "fixed"),
        ("otsu", "otsu", "otsu"),
        ("oracle", "oracle", "oracle"),
        ({"value": 0.25, "source": "val"}, 0.25, "val"),
    ],
)
def test_one_way_to_read_a_threshold(given, threshold, source):
    rule = BoxRule.parse(given, normalization="max")
    assert (rule.threshold, rule.source, rule.normalization) == (threshold, source, "max")
    assert BoxRule(**rule.to_dict()) == rule
    with pytest.raises(FrozenInstanceError):
        rule.threshold = 0.5


def test_a_threshold_of_a_split_has_to_be_chosen_first():
    rule = BoxRule.parse("val", components="all")
    with pytest.raises(ValueError, match=r"'val' is chosen on a whole split: BoxRule\.at"):
        rule.apply(np.eye(3))
    chosen = rule.at(0.4, "val")
    assert (chosen.threshold, chosen.source, chosen.components) == (0.4, "val", "all")


@pytest.mark.parametrize(
    ("threshold", "fields", "match"),
    [
        ("best", {}, r"threshold='best': expected oracle, val, otsu, mean or a number in \[0, 1\)"),
        ("1.0", {}, "threshold='1.0': expected"),
        (1.0, {}, "threshold=1.0: expected"),
        ("nan", {}, "threshold='nan': expected"),
        (True, {}, "threshold=True: expected"),
        (None, {}, "threshold=None: expected"),
        ({"value": 0.1}, {}, "source='val' or 'fixed'"),
        ({"value": 0.1, "source": "test"}, {}, "source='val' or 'fixed'"),
        ({"value": 2, "source": "val"}, {}, r"number in \[0, 1\)"),
        (0.1, {"components": "both"}, "components='both': expected one of"),
        (0.1, {"normalization": "softmax"}, "unknown normalization 'softmax'"),
        (0.1, {"normalization": "pas"}, "needs a percentile"),
        (0.1, {"percentile": 90}, "takes no percentile"),
        (0.1, {"normalization": None, "percentile": 90}, "takes no percentile"),
        (0.1, {"components": "two_thresholds", "normalization": "max"}, "needs normalization"),
        ("otsu", {"components": "two_thresholds"}, "needs a number, got 'otsu'"),
    ],
)
def test_what_has_no_meaning_is_named(threshold, fields, match):
    with pytest.raises(ValueError, match=match):
        BoxRule.parse(threshold, **fields)


def test_a_word_needs_its_place():
    with pytest.raises(ValueError, match=r"--threshold='val': expected otsu or a number"):
        BoxRule.parse("val", words=("otsu",), key="--threshold")
    with pytest.raises(ValueError, match=r"expected a number in \[0, 1\)"):
        BoxRule.parse("otsu", words=())
    with pytest.raises(ValueError, match="does not fit threshold='otsu'"):
        BoxRule(threshold="otsu", source="val")
    with pytest.raises(ValueError, match=r"threshold=1\.5: expected"):
        BoxRule(threshold=1.5)


def test_ready_maps_are_taken_as_they_are_or_refused():
    rule = BoxRule(threshold=0.5, normalization=None)
    score_map = np.array([[0.0, 0.4], [0.6, 0.2]])
    assert (rule.frame(score_map, (2, 2)).values == score_map).all()
    assert rule.apply(score_map).tolist() == [[0, 0, 2, 2]]
    with pytest.raises(ValueError, match="must be 4 x 2, got"):
        rule.apply(score_map, (4, 2))
    with pytest.raises(TypeError, match=r"must be float64, got float32: name a normalization"):
        rule.apply(score_map.astype(np.float32))
    with pytest.raises(ValueError, match=r"0, 1"):
        rule.apply(score_map + 1)
