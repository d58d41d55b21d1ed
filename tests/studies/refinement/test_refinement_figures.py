"""Pictures of ARM and SGRM by iteration: what is drawn is what the functions compute."""

import numpy as np

from studies.refinement.figures import (
    BACKGROUND,
    FOREGROUND,
    UNKNOWN,
    arm_by_iteration,
    outline,
    paint_labels,
    sgrm_by_iteration,
)
from wsol_mm.functional.arm import ARMSettings, refine_maps
from wsol_mm.functional.sgrm import SGRMSettings, repredict
from wsol_mm.visualization.drawing import overlay_map


def scene():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (24, 20, 3), dtype=np.uint8)
    image[6:18, 4:15] += np.array([120, 20, 180], np.uint8)  # BGR: order matters
    score_map = np.zeros((6, 5), np.float32)
    score_map[2:4, 1:3] = 1.0
    return score_map, image


def test_arm_is_drawn_after_each_number_of_iterations():
    score_map, image = scene()
    drawn = arm_by_iteration(score_map, image, ARMSettings(neighbours=8), (0, 7))
    rgb = np.ascontiguousarray(image[..., ::-1])
    for picture, count in zip(drawn, (0, 7), strict=True):
        settings = ARMSettings(neighbours=8, iterations=count)
        wanted = refine_maps(score_map[None], rgb, settings)[0].astype(np.float64)
        assert np.array_equal(picture, overlay_map(image, wanted))
    assert not np.array_equal(*drawn)


def test_sgrms_labels_and_predictions():
    score_map, image = scene()
    settings = SGRMSettings(segment_min_size=4, max_iterations=30)
    pixels, segments, first, later, end = sgrm_by_iteration(score_map, image, settings, (1, 5))
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}
    assert colours == {FOREGROUND, BACKGROUND, UNKNOWN}
    assert (segments == 255).all(axis=2).any()  # borders
    rgb = np.ascontiguousarray(image[..., ::-1])
    result = repredict(score_map, rgb, settings)
    assert np.array_equal(end, paint_labels(result.mask.astype(np.uint8)))
    assert 5 < result.iterations < 30
    short = repredict(score_map, rgb, SGRMSettings(segment_min_size=4, max_iterations=5))
    assert np.array_equal(later, paint_labels(short.mask.astype(np.uint8)))
    assert not np.array_equal(first, end)


def test_an_iteration_beyond_the_end_shows_the_end():
    score_map, image = scene()
    settings = SGRMSettings(segment_min_size=4, max_iterations=3)
    *_, late, end = sgrm_by_iteration(score_map, image, settings, (50,))
    assert np.array_equal(late, end)


def test_borders_lie_between_superpixels():
    labels = np.zeros((2, 4), np.uint8)
    segments = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    white = (paint_labels(labels, segments) == 255).all(axis=2)
    assert white.tolist() == [[False, False, True, False]] * 2


def test_an_outline_keeps_the_inside():
    image = np.full((9, 9, 3), 40, np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[2:7, 3:8] = True
    drawn = outline(image, mask, (1, 2, 3))
    border = (drawn == [1, 2, 3]).all(axis=2)
    assert border.sum() == 16
    assert not border[3:6, 4:7].any()
    assert (image == 40).all()
