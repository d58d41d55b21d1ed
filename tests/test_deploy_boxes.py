"""The numpy file beside an exported model: the toolbox's own boxes, from nothing but numpy."""

import ast
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm import Localizer, deploy_boxes
from wsol_mm.deploy_boxes import boxes_of_map, to_image
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.boxes import otsu_level
from wsol_mm.functional.cam import upsample_map
from wsol_mm.functional.component_tree import component_boxes
from wsol_mm.testing.colours import colour_localizer, rectangles

RULES = [
    BoxRule(threshold=threshold, components=components, **scale)
    for components in ("largest", "all")
    for threshold in (0.0, 0.23, 0.7, "otsu", "mean")
    for scale in (
        dict(normalization="minmax"),
        dict(normalization="max"),
        dict(normalization="pas", percentile=90.0),
        dict(normalization="ivr", percentile=35.0),
    )
] + [BoxRule(threshold=threshold, components="two_thresholds") for threshold in (0.0, 0.1, 0.4)]


def check(score_map, size, rules=RULES):
    for rule in rules:
        ours = boxes_of_map(score_map, size, rule.to_dict())
        np.testing.assert_array_equal(ours, rule.apply(score_map, size), err_msg=str(rule))


def test_needs_numpy_alone():
    tree = ast.parse(Path(deploy_boxes.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported == {"__future__", "collections", "typing", "numpy"}
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(Path(deploy_boxes.__file__).parent)!r})",
        "import deploy_boxes",
        "print(sorted({'torch', 'cv2', 'wsol_mm', 'mmengine'} & set(sys.modules)))",
    ]
    run = [sys.executable, "-S", "-c", "\n".join(lines)]
    path = str(Path(np.__file__).parents[1])
    found = subprocess.run(run, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr


@settings(max_examples=25)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(9, 60), st.integers(9, 60),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_random_maps(height, width, frame_width, frame_height, seed):
    generator = np.random.default_rng(seed)
    score_map = generator.normal(size=(height, width)).astype(np.float32)
    chosen = generator.choice(len(RULES), 8, replace=False)
    check(score_map, (frame_width, frame_height), [RULES[index] for index in chosen])


def test_every_rule_at_the_usual_size():
    generator = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(generator.normal(size=(14, 14)), (0, 0), 1.5)
    check(smooth.astype(np.float32), (224, 224))


@pytest.mark.parametrize(("size", "frame"), [((14, 14), (224, 224)), ((7, 9), (299, 31))])
def test_upsampling_is_opencvs(size, frame):
    score_map = np.random.default_rng(1).normal(size=size)
    ours = deploy_boxes._resize(score_map, frame, deploy_boxes._cubic)
    np.testing.assert_array_equal(ours, upsample_map(score_map, frame))
    ours = deploy_boxes._resize(score_map, frame, deploy_boxes._linear)
    theirs = cv2.resize(score_map, frame, interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(ours, theirs, atol=3e-6)  # 1e-15 where OpenCV has Intel's routines


@settings(max_examples=60)
@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.2, 0.5, 0.8]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_components_of_noise(height, width, share, seed):
    mask = np.random.default_rng(seed).random((height, width)) < share
    grey = (255 * mask).astype(np.uint8)
    np.testing.assert_array_equal(
        deploy_boxes._largest(mask), component_boxes(grey, 0, largest=True)
    )
    np.testing.assert_array_equal(
        deploy_boxes._boxes(deploy_boxes._label(mask, 1)), component_boxes(grey, 0, largest=False)
    )


def test_rings_islands_and_ties():
    ring = np.zeros((9, 12), np.float64)
    ring[1:8, 1:8] = 1
    ring[2:7, 2:7] = 0
    ring[4, 4] = 1  # an island counts among all, not as the largest
    ring[0:3, 9:12] = 1
    check(ring, (12, 9))
    twice = np.zeros((6, 10))
    twice[0:3, 0:3] = twice[2:5, 5:8] = 1
    check(twice, (10, 6))
    assert boxes_of_map(twice, (10, 6), {"threshold": 0.5}).tolist() == [[5.0, 2.0, 8.0, 5.0]]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 256))
def test_otsu(seed, side, levels):
    generator = np.random.default_rng(seed)
    grey = (generator.integers(0, levels, (side, side)) ** 2 // 256).astype(np.uint8)
    assert deploy_boxes._otsu(grey) == otsu_level(grey)


def test_maps_without_an_object():
    for score_map in (np.full((3, 3), 0.5), np.full((3, 3), np.nan), np.array([[np.inf, 0.0]])):
        check(score_map, (24, 24), [RULES[0], RULES[-1]])
        assert boxes_of_map(score_map, (24, 24), RULES[1].to_dict()).shape == (0, 4)


def test_wrong_words_are_refused():
    score_map = np.eye(3)
    with pytest.raises(ValueError, match="components='some': expected largest, all"):
        boxes_of_map(score_map, (9, 9), {"threshold": 0.5, "components": "some"})
    with pytest.raises(ValueError, match="normalization='none': expected minmax"):
        boxes_of_map(score_map, (9, 9), {"threshold": 0.5, "normalization": "none"})


def test_boxes_of_a_localizer():
    localizer = colour_localizer()
    picture = rectangles((448, 200), red=(0, 0, 128, 200), blue=(300, 60, 420, 190))
    (result,) = localizer(picture, labels=["red", "blue"])
    size = result.frame.input_size
    ours = [
        to_image(boxes_of_map(score_map, size, result.rule.to_dict()), size, result.size)
        for score_map in result.raw_maps.values()
    ]
    np.testing.assert_allclose(np.concatenate(ours), result.boxes, rtol=0, atol=1e-9)


def test_maps_of_photographs():
    localizer = Localizer(method="cam", device="cpu", show_progress=False)
    for name in ("chelsea", "coffee", "rocket"):
        (result,) = localizer(getattr(skimage.data, name)(), topk=2)
        for score_map in result.raw_maps.values():
            check(score_map, result.frame.input_size, RULES[::5] + RULES[-3:])
