"""CAM, normalisations and grey levels against loops and against the protocol's own steps."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsol_mm.functional.cam import class_activation_maps, normalize_map, to_grey, upsample_map

maps = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False),
)
methods = st.sampled_from([("minmax", None), ("max", None), ("pas", 80.0), ("ivr", 35.0)])


def test_maps_equal_the_sum_over_channels_of_the_named_class():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[6, 0, 3], [2, 2, 5]])
    maps = class_activation_maps(features, weight, labels)
    assert maps.shape == (2, 3, 3, 4)
    for b in range(2):
        for j, label in enumerate(labels[b]):
            expected = sum(weight[label, c] * features[b, c] for c in range(5))
            torch.testing.assert_close(maps[b, j], expected)


def test_map_gradient_reaches_features_and_only_the_named_rows():
    features = torch.ones(1, 2, 2, 2, requires_grad=True)
    weight = torch.ones(3, 2, requires_grad=True)
    class_activation_maps(features, weight, torch.tensor([[1]])).sum().backward()
    assert features.grad.unique().tolist() == [1.0]
    assert weight.grad.tolist() == [[0.0, 0.0], [4.0, 4.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("features", "weight", "labels"),
    [
        ((1, 2, 3), (4, 2), (1, 1)),
        ((1, 2, 3, 3), (4, 5), (1, 1)),
        ((1, 2, 3, 3), (4, 2), (2, 1)),
        ((1, 2, 3, 3), (4, 2), (1,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(features, weight, labels):
    with pytest.raises(ValueError, match="features"):
        class_activation_maps(
            torch.zeros(features), torch.zeros(weight), torch.zeros(labels, dtype=torch.int64)
        )


def test_label_outside_the_classes_is_refused():
    with pytest.raises(IndexError):
        class_activation_maps(torch.zeros(1, 2, 1, 1), torch.zeros(3, 2), torch.tensor([[3]]))


@given(maps, methods)
@settings(deadline=None, max_examples=150)
def test_normalised_values_lie_in_the_unit_interval_and_keep_their_order(values, method):
    name, percentile = method
    result = normalize_map(values, name, percentile=percentile)
    assert result.dtype == np.float64
    assert result.min() >= 0
    assert result.max() <= 1
    order = np.argsort(values, axis=None)
    assert (np.diff(result.ravel()[order]) >= 0).all()


@given(maps)
@settings(deadline=None, max_examples=100)
def test_minmax_equals_the_protocols_two_steps_bit_for_bit(values):
    expected = np.zeros_like(values)
    if values.max() > values.min():
        expected = values - values.min()
        expected /= expected.max()
    np.testing.assert_array_equal(normalize_map(values), expected)


def test_pas_ignores_a_single_extreme_peak():
    values = np.linspace(0.0, 1.0, 100).reshape(10, 10)
    peaked = values.copy()
    peaked[9, 9] = 1000.0
    assert normalize_map(peaked, "minmax")[9, 0] < 0.001
    expected = np.minimum(values / np.percentile(peaked, 90), 1)
    np.testing.assert_allclose(normalize_map(peaked, "pas", percentile=90), expected)


def test_ivr_zeroes_the_given_share_of_pixels():
    values = np.arange(101, dtype=np.float64).reshape(1, 101)
    result = normalize_map(values, "ivr", percentile=40)
    assert (result == 0).sum() == 41
    np.testing.assert_allclose(result[0, 41:], np.arange(1, 61) / 60)


@pytest.mark.parametrize(("method", "percentile"), [("minmax", None), ("max", None), ("ivr", 50.0)])
def test_extremes_of_the_percentile_methods_reduce_to_minmax_at_their_limits(method, percentile):
    values = np.array([[0.0, 1.0], [2.0, 8.0]])
    assert normalize_map(values, method, percentile=percentile).max() == 1.0
    np.testing.assert_array_equal(
        normalize_map(values, "pas", percentile=100), normalize_map(values)
    )
    np.testing.assert_array_equal(normalize_map(values, "ivr", percentile=0), normalize_map(values))


@pytest.mark.parametrize(
    ("method", "percentile", "values", "expected"),
    [
        ("minmax", None, [[5.0, 5.0]], [[0.0, 0.0]]),
        ("max", None, [[5.0, 5.0]], [[0.0, 0.0]]),
        ("max", None, [[-2.0, -1.0]], [[0.0, 0.0]]),
        ("minmax", None, [[np.nan, 1.0]], [[0.0, 0.0]]),
        ("ivr", 100.0, [[1.0, 2.0]], [[0.0, 0.0]]),
        # three quarters of the pixels are the minimum: the quotient's limit is a step
        ("pas", 50.0, [[1.0, 1.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, 1.0]]),
    ],
)
def test_degenerate_maps(method, percentile, values, expected):
    result = normalize_map(np.array(values), method, percentile=percentile)
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("method", "percentile", "message"),
    [
        ("softmax", None, "unknown normalization"),
        ("pas", None, "needs a percentile"),
        ("ivr", None, "needs a percentile"),
        ("minmax", 50.0, "takes no percentile"),
        ("ivr", 101.0, r"\[0, 100\]"),
    ],
)
def test_impossible_settings_are_refused(method, percentile, message):
    with pytest.raises(ValueError, match=message):
        normalize_map(np.eye(2), method, percentile=percentile)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 2, 1)), "shape"),
        (np.zeros((0, 2)), "shape"),
        (np.zeros((2, 2), dtype=np.uint8), "floating"),
        (np.array([[np.inf, 0.0]]), "infinite"),
    ],
)
def test_arrays_that_are_no_maps_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        normalize_map(bad)


def test_input_is_left_unchanged():
    values = np.array([[1.0, 2.0]])
    normalize_map(values)
    assert values.tolist() == [[1.0, 2.0]]


def cubic(distance, a=-0.75):
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def test_upsampling_is_a_separable_cubic_in_float64():
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    width, height = 16, 12  # steps of 1/4: cv2's own weights are exact there

    def weights(size, source):
        matrix = np.zeros((size, source))
        for i in range(size):
            centre = (i + 0.5) * source / size - 0.5
            for k in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
                matrix[i, min(max(k, 0), source - 1)] += cubic(centre - k)
        return matrix

    expected = weights(height, 3) @ values.astype(np.float64) @ weights(width, 4).T
    result = upsample_map(values, (width, height))
    assert result.dtype == np.float64
    assert result.shape == (height, width)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_upsampling_to_no_pixels_is_refused():
    with pytest.raises(ValueError, match="size"):
        upsample_map(np.eye(2), (0, 4))


def test_grey_levels_are_truncated_as_the_protocol_does():
    values = normalize_map(np.random.default_rng(1).random((40, 40)))
    expected = cv2.normalize(values, None, 0, 255, cv2.NORM_MINMAX)  # same scale, then truncated
    np.testing.assert_array_equal(to_grey(values), np.floor(expected).astype(np.uint8))
    assert to_grey(np.array([[254.999 / 255]]))[0, 0] == 254


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan])
def test_values_outside_the_unit_interval_have_no_grey_level(value):
    with pytest.raises(ValueError, match="normalize_map"):
        to_grey(np.array([[0.5, value]]))
