"""Maps of views, brought back by loops over pixels and by torch's own resizing, then averaged."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.functional.view_averaging import average_maps, cubic_weights, maps_in_frame

A = -0.75
SIDES = st.integers(1, 5)


def kernel(x):
    """Keys' cubic, piece by piece."""
    x = abs(x)
    if x <= 1:
        return (A + 2) * x**3 - (A + 3) * x**2 + 1
    return A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A if x < 2 else 0.0


def read(values, position):
    """A row of values at a position, its ends repeated."""
    base = math.floor(position)
    return sum(
        kernel(position - place) * values[min(max(place, 0), len(values) - 1)]
        for place in range(base - 1, base + 3)
    )


def brute_force(score_map, shape, to_view, frame):
    height, width = score_map.shape
    result = torch.zeros(frame, dtype=torch.float64)
    for y in range(frame[0]):
        for x in range(frame[1]):
            seen = to_view @ torch.tensor([x + 0.5, y + 0.5, 1.0], dtype=torch.float64)
            column = float(seen[0]) * width / shape[1] - 0.5
            row = float(seen[1]) * height / shape[0] - 0.5
            result[y, x] = read([read(line.tolist(), column) for line in score_map], row)
    return result


@given(SIDES, SIDES, st.booleans(), st.floats(0.4, 2.5), st.floats(-3, 3), st.integers(0, 99))
@settings(max_examples=60)
def test_equals_a_loop_over_pixels(height, width, mirrored, scale, shift, seed):
    torch.manual_seed(seed)
    maps = torch.randn(2, height, width, dtype=torch.float64)
    to_view = torch.diag(torch.tensor([scale, 1 / scale, 1], dtype=torch.float64))
    to_view[0, 2] = shift
    if mirrored:
        to_view[0] = torch.tensor([-scale, 0, 9 - shift], dtype=torch.float64)
    found = maps_in_frame(maps, (7, 9), to_view, (5, 6))
    for own, score_map in zip(found, maps, strict=True):
        torch.testing.assert_close(own, brute_force(score_map, (7, 9), to_view, (5, 6)))


def test_the_whole_view_is_torchs_bicubic_resizing_and_a_mirror_image_its_mirror():
    maps = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(maps[None].double(), (17, 23), mode="bicubic")[0]
    same = torch.eye(3)
    torch.testing.assert_close(maps_in_frame(maps, (17, 23), same, (17, 23)), expected)
    mirror = torch.tensor([[-1.0, 0, 23], [0, 1, 0], [0, 0, 1]])
    found = maps_in_frame(maps.flip(2), (17, 23), mirror, (17, 23))
    torch.testing.assert_close(found, expected)


@given(st.lists(st.floats(-4, 9), min_size=1, max_size=6), st.integers(1, 7))
def test_weights_sum_to_one_and_leave_values_at_their_places(positions, size):
    weights = cubic_weights(torch.tensor(positions, dtype=torch.float64), size)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(positions), dtype=torch.float64))
    places = torch.arange(size, dtype=torch.float64)
    assert torch.equal(cubic_weights(places, size), torch.eye(size, dtype=torch.float64))


def test_a_turned_view_is_refused():
    turned = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="resized, flipped and cropped, not turned"):
        maps_in_frame(torch.ones(1, 2, 2), (2, 2), turned, (2, 2))


def test_a_map_that_is_not_finite_stays_so():
    maps = torch.tensor([[[1.0, torch.nan]]])
    assert maps_in_frame(maps, (1, 2), torch.eye(3), (1, 4)).isnan().any()


def test_classes_are_averaged_over_the_views_that_have_them():
    views = [torch.full((2, 1, 1), 2.0), torch.tensor([[[5.0]], [[8.0]], [[1.0]]])]
    labels = [torch.tensor([3, 4]), torch.tensor([4, 0, 1])]
    means, kept = average_maps(views, labels, first=4)
    assert kept.tolist() == [4]
    assert means.flatten().tolist() == [3.5]
    means, kept = average_maps(views, labels, first=0)  # one view has it
    assert kept.tolist() == [0, 4]
    assert means.flatten().tolist() == [8.0, 3.5]
    with pytest.raises(ValueError, match=r"no view has a map of class 9: they have \[\[3, 4\]"):
        average_maps(views, labels, first=9)
