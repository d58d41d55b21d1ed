"""Toy scenes: truth that fits the picture, and dials that do what they say."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from wsol_mm.functional.toy_scenes import SceneDials, draw_scene, noisy_boxes

DIALS = SceneDials()


def scenes(count, dials, seed=0):
    return [
        draw_scene(k % dials.classes, dials, np.random.default_rng([seed, k])) for k in range(count)
    ]


def box_iou(a, b):
    size = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    shared = size.prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


@pytest.mark.parametrize(
    "dials",
    [DIALS, SceneDials(objects=4), SceneDials(size=32, objects=9, part_size=0.05)],
    ids=["default", "several", "tiny"],
)
def test_boxes_are_the_extents_of_disjoint_masks(dials):
    for scene in scenes(30, dials):
        assert scene.image.shape == (dials.size, dials.size, 3)
        assert scene.image.dtype == np.uint8
        assert 1 <= len(scene.masks) <= dials.objects
        assert scene.masks.sum(axis=0).max() == 1
        for mask, box, part in zip(scene.masks, scene.boxes, scene.part_boxes, strict=True):
            x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
            assert box.tolist() == [x, y, x + width, y + height]
            assert (box[:2] >= 0).all()
            assert (box[2:] <= dials.size).all()
            assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2
            centre = (part[:2] + part[2:]) / 2
            assert (centre > box[:2]).all()
            assert (centre < box[2:]).all()


def test_the_same_seed_draws_the_same_scene():
    first, again, other = (draw_scene(1, DIALS, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.masks, again.masks)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(("rho", "share"), [(0.0, 0.0), (0.6, 0.6), (1.0, 1.0)])
def test_context_co_occurs_with_the_class_at_rho(rho, share):
    drawn = scenes(150, replace(DIALS, size=32, context_rho=rho))
    same = np.mean([scene.context == k % DIALS.classes for k, scene in enumerate(drawn)])
    assert same == pytest.approx(share, abs=0.1)


def test_wrong_contexts_are_spread_over_the_other_classes():
    drawn = scenes(200, replace(DIALS, size=32, classes=3, context_rho=0.0))
    counts = np.bincount([scene.context for scene in drawn], minlength=3)
    assert counts.min() > 40


def body_saturation(dials):
    """Mean saturation of the bodies away from their parts."""
    values = []
    for scene in scenes(24, dials):
        body = scene.masks[0].copy()
        x0, y0, x1, y1 = scene.part_boxes[0].astype(int)
        body[y0:y1, x0:x1] = False
        values.append(cv2.cvtColor(scene.image, cv2.COLOR_BGR2HSV)[..., 1][body].mean())
    return np.mean(values)


def test_the_body_shows_the_class_colour_only_at_its_dial():
    drab = body_saturation(replace(DIALS, body_colour=0.0))
    coloured = body_saturation(replace(DIALS, body_colour=1.0))
    assert coloured > 1.7 * drab


def test_the_part_grows_with_its_dial_and_stays_small():
    def share(part_size):
        drawn = scenes(24, replace(DIALS, part_size=part_size))
        return np.mean(
            [
                (scene.part_boxes[0, 2:] - scene.part_boxes[0, :2]).prod()
                / (scene.boxes[0, 2:] - scene.boxes[0, :2]).prod()
                for scene in drawn
            ]
        )

    assert share(0.25) < share(DIALS.part_size) < share(0.8)
    assert share(DIALS.part_size) < 0.35  # a box around the part misses the object at IoU 0.5


def test_sizes_and_places_vary_so_that_no_centred_box_does_well():
    boxes = np.concatenate([scene.boxes for scene in scenes(200, DIALS, seed=3)])
    best = max(
        np.mean([box_iou(np.array([48 - w, 48 - h, 48 + w, 48 + h]), box) >= 0.5 for box in boxes])
        for w in range(10, 49, 4)
        for h in range(10, 49, 4)
    )
    assert best <= 0.37


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 1.0, 1.0), (0.5, 0.38, 0.68)])
def test_pseudo_boxes_are_wrong_at_the_dial(noise, low, high):
    dials = replace(DIALS, box_noise=noise)
    rng = np.random.default_rng(0)
    right = []
    for scene in scenes(120, dials):
        box = noisy_boxes(scene, dials, rng)[0]
        assert (box >= 0).all()
        assert (box <= dials.size).all()
        assert (box[2:] > box[:2]).all()
        right.append(box_iou(box, scene.boxes[0]) >= 0.7)
    assert low <= np.mean(right) <= high


@pytest.mark.parametrize(
    ("dial", "value"),
    [("size", 8), ("classes", 1), ("context_rho", 1.1), ("part_size", 0.0), ("objects", 0)],
)
def test_dials_out_of_range_are_named(dial, value):
    with pytest.raises(ValueError, match=rf"{dial} must be in .*, got {value}"):
        SceneDials(**{dial: value})


def test_a_label_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"label must be in \[0, 6\), got 6"):
        draw_scene(6, DIALS, np.random.default_rng(0))
