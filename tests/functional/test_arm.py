"""Affinity refinement against the paper's equations written out pixel by pixel."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional import arm
from wsol_mm.functional.arm import (
    ARM_PRESETS,
    ARMSettings,
    affinity,
    neighbour_offsets,
    refine_batch,
    refine_maps,
)

DIRECTIONS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
DISTANCES = {8: [1], 48: [1, 2, 4, 8, 12, 24]}


def softmax(values):
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    return [p / sum(powers) for p in powers]


def deviation(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) + 1e-8


def by_channel(image, at, pixel, scale):
    """AFA's colour kernel: each channel by its own deviation, mean over channels."""
    kernel = [0.0] * len(at)
    for c in range(3):
        values = [float(image[p][c]) for p in at]
        spread = deviation(values)
        for n, value in enumerate(values):
            kernel[n] -= (abs(value - float(image[pixel][c])) / spread / scale) ** 2 / 3
    return kernel


def by_vector(image, at, pixel, scale):
    """Eq. 7: the length of the difference of two colours by one deviation of the colours."""
    colours = [image[p].astype(float) for p in at]
    mean = sum(colours) / len(colours)
    variance = sum(math.dist(c, mean) ** 2 for c in colours) / (len(colours) - 1)
    spread = math.sqrt(variance) + 1e-8
    return [-((math.dist(c, image[pixel].astype(float)) / spread / scale) ** 2) for c in colours]


def paper(
    score_map, image, neighbours, scale, w_p, eta, iterations, near_scale=0.3, colour=by_channel
):
    """Eq. 7 to 9, from [-.5, .5], weights that sum to 1 + w_p; min-max at the end."""
    height, width = score_map.shape
    steps = [(d * dy, d * dx) for d in DISTANCES[neighbours] for dy, dx in DIRECTIONS]
    lengths = [math.hypot(*step) for step in steps]
    near = softmax([-((v / deviation(lengths) / near_scale) ** 2) for v in lengths])
    weights = {}
    for y in range(height):
        for x in range(width):
            at = [
                (min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1))
                for dy, dx in steps
            ]
            alike = softmax(colour(image, at, (y, x), scale))
            weights[y, x] = [(p, a + w_p * b) for p, a, b in zip(at, alike, near, strict=True)]
    score_map = score_map.astype(np.float64)
    values = (score_map - score_map.min()) / (score_map.max() - score_map.min()) - 0.5
    for _ in range(iterations):
        old = values.copy()
        for pixel, row in weights.items():
            values[pixel] = eta * old[pixel] + (1 - eta) * sum(w * old[p] for p, w in row)
    return (values - values.min()) / (values.max() - values.min())


@pytest.fixture
def case():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image[2:6, 2:5] = [200, 40, 90]
    return rng.random((9, 7)).astype(np.float32), image


@pytest.mark.parametrize("neighbours", [8, 48])
@pytest.mark.parametrize(("scale", "w_p", "eta"), [(0.3, 0.01, 0.1), (1.0, 0.5, 0.4)])
def test_equals_the_paper(case, neighbours, scale, w_p, eta):
    score_map, image = case
    refined = refine_maps(
        score_map[None],
        image,
        ARMSettings(neighbours, scale, w_p, eta, iterations=4),
    )
    wanted = paper(score_map, image, neighbours, scale, w_p, eta, 4)
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined[0], wanted, atol=2e-5)


@pytest.mark.parametrize("neighbours", [8, 48])
def test_the_preset_is_the_papers_equations_as_printed(case, neighbours):
    """Eq. 7 and 8 have no scale, and one deviation for the colour."""
    score_map, image = case
    assert ARM_PRESETS["lcar"].neighbours == 8
    printed = replace(ARM_PRESETS["lcar"], neighbours=neighbours, position_weight=0.3, iterations=4)
    wanted = paper(score_map, image, neighbours, 1, 0.3, 0.1, 4, near_scale=1, colour=by_vector)
    np.testing.assert_allclose(refine_maps(score_map[None], image, printed)[0], wanted, atol=2e-5)
    by_afa = refine_maps(score_map[None], image, ARMSettings(neighbours, iterations=4))[0]
    assert abs(by_afa - wanted).max() > 0.01


def test_the_colours_scale_leaves_positions_alone():
    """On one colour only the positions' kernel tells neighbours apart."""
    flat = np.full((5, 5, 3), 7, np.uint8)
    near = affinity(flat, ARMSettings(8, position_weight=1.0))
    np.testing.assert_array_equal(
        affinity(flat, ARMSettings(8, color_scale=2.0, position_weight=1.0)), near
    )
    wide = affinity(flat, ARMSettings(8, position_weight=1.0, position_scale=3.0))
    # exp of the distances' difference over their variance, (1 and 2) / (s * scale)^2
    spread = np.std([1, math.sqrt(2)] * 4, ddof=1)
    for weights, scale in ((near, 0.3), (wide, 3.0)):
        share = weights[2, 1, 2] - 0.0625, weights[2, 0, 2] - 0.0625  # the colours' half
        assert share[1] == pytest.approx(share[0] * math.exp(-1 / (spread * scale) ** 2), abs=1e-6)


@pytest.mark.parametrize("settings", [ARMSettings(8), ARMSettings(48), ARM_PRESETS["lcar"]])
def test_batch_equals_single(case, settings):
    _, image = case
    settings = replace(settings, iterations=6)
    rng = np.random.default_rng(4)
    images = np.stack([image, rng.integers(0, 256, image.shape, dtype=np.uint8)])
    maps = rng.random((2, 3, 4, 5)).astype(np.float32)
    batch = refine_batch(
        torch.from_numpy(maps),
        torch.from_numpy(images).permute(0, 3, 1, 2),
        settings,
    )
    for score_maps, picture, ours in zip(maps, images, batch, strict=True):
        wanted = refine_maps(score_maps, picture, settings)
        np.testing.assert_allclose(ours.numpy(), wanted, atol=2e-5)


def test_the_sweep_compiles_into_one_graph():
    """On CUDA the sweep is compiled; a graph break would undo the fusion."""

    weights = torch.rand(1, 8, 9, 7)
    steps = [(int(dy), int(dx)) for dy, dx in neighbour_offsets(8)]
    padded = torch.rand(1, 1, 11, 9)
    compiled = torch.compile(arm._sweep_batch, fullgraph=True, backend="aot_eager")
    result = compiled(padded, weights, steps, 1, 0.1)
    torch.testing.assert_close(result, arm._sweep_batch(padded, weights, steps, 1, 0.1))


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([8, 48]), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_weights_are_shares_of_one(height, width, neighbours, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, rng.integers(1, 257), (height, width, 3), dtype=np.uint8)
    weights = affinity(image, ARMSettings(neighbours))
    assert weights.shape == (height, neighbours, width)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_an_iteration_is_a_convex_combination(height, width, seed):
    """Values stay in range, a constant stays, and shift, scale and sign pass through."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    offsets = neighbour_offsets(8)
    values = np.pad(rng.normal(size=(1, height, width)), ((0, 0), (1, 1), (1, 1)), mode="edge")
    values = np.concatenate([values, np.full_like(values, 0.7)]).astype(np.float32)
    out = np.full_like(values, np.nan)
    arm.sweep(values, affinity(image, ARMSettings(8)), offsets, 1, np.float32(0.1), out)
    assert out[0].min() >= values[0].min() - 1e-6
    assert out[0].max() <= values[0].max() + 1e-6
    np.testing.assert_allclose(out[1], 0.7, atol=1e-6)
    np.testing.assert_array_equal(out, np.pad(out[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)), "edge"))


def test_shift_scale_and_sign_of_the_map_pass_through(case):
    score_map, image = case
    refined = refine_maps(np.stack([score_map, 5 * score_map - 2, -score_map]), image)
    np.testing.assert_allclose(refined[1], refined[0], atol=1e-4)
    np.testing.assert_allclose(refined[2], 1 - refined[0], atol=1e-4)


@pytest.mark.parametrize("chosen", [ARMSettings(8), ARMSettings(48), ARM_PRESETS["lcar"]])
def test_degenerate_input_gives_numbers(chosen):
    chosen = replace(chosen, iterations=3)
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 3, 4)
    flat = np.zeros((6, 8, 3), np.uint8)
    for image in (flat, flat + 255, flat[:1, :1], flat[:1], flat[:, :1]):
        for score_maps in (ramp, ramp * 0 + 3, ramp[:, :1, :1]):
            refined = refine_maps(score_maps, image, chosen)
            assert refined.shape == (1, *image.shape[:2])
            assert np.isfinite(refined).all()
            tensors = torch.from_numpy(score_maps)[None], torch.from_numpy(image).permute(2, 0, 1)
            batch = refine_batch(tensors[0], tensors[1][None], chosen)
            np.testing.assert_allclose(batch[0].numpy(), refined, atol=1e-4)
    assert not refine_maps(ramp * 0 + 3, flat, chosen).any()


def test_no_iterations_is_bilinear_and_minmax():
    score_maps = np.array([[[2.0, 4.0]]])
    refined = refine_maps(score_maps, np.zeros((1, 4, 3), np.uint8), ARMSettings(iterations=0))
    np.testing.assert_allclose(refined, [[[0, 0.25, 0.75, 1]]])


def test_a_lone_pixel_of_another_colour_is_averaged_away():
    """Its neighbours all look alike, so their deviation is zero and the weights are equal."""
    image = np.zeros((5, 5, 3), np.uint8)
    image[2, 2] = 255
    weights = affinity(image, ARMSettings(8, position_weight=0))
    np.testing.assert_allclose(weights[2, :, 2], 1 / 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": 24}, "neighbours must be one of"),
        ({"color_scale": 0}, "color_scale must be positive"),
        ({"position_scale": 0}, "position_scale must be positive"),
        ({"color_distance": "lab"}, "color_distance must be one of"),
        ({"position_weight": -1}, "position_weight"),
        ({"center_weight": 1.5}, "center_weight"),
        ({"iterations": -1}, "iterations"),
    ],
)
def test_refuses_settings_without_meaning(change, message):
    with pytest.raises(ValueError, match=message):
        ARMSettings(**change)


def test_refuses_wrong_shapes_and_nan(case):
    score_map, image = case
    with pytest.raises(ValueError, match=r"maps \(k, h, w\)"):
        refine_maps(score_map, image)
    with pytest.raises(ValueError, match="uint8 image"):
        refine_maps(score_map[None], image / 255)
    with pytest.raises(ValueError, match="NaN or infinite"):
        refine_maps(np.full((1, 2, 2), np.nan), image)
    with pytest.raises(ValueError, match=r"images \(B, 3, H, W\)"):
        refine_batch(torch.zeros(2, 2, 2), torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
