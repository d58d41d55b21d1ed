"""HideAndSeek: what is hidden, how often, and what the preprocessor makes of it."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS

from wsol_mm.datasets.transforms import HideAndSeek, PackWSOLInputs

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)


def loaded(height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {"img": image, "ori_shape": (height, width), "img_path": "a.jpg", "gt_label": 0}


def preprocess(results, **settings):
    packed = PackWSOLInputs()(results)
    preprocessor = MODELS.build(
        dict(type="mmpretrain.ClsDataPreprocessor", mean=MEAN, std=STD, **settings)
    )
    inputs = packed["inputs"][None]
    return preprocessor({"inputs": inputs, "data_samples": [packed["data_samples"]]})["inputs"][0]


@pytest.mark.parametrize("to_rgb", [True, False])
def test_hidden_pixels_become_exact_zeros_and_the_others_stay(to_rgb):
    results = loaded(30, 50)
    plain = preprocess(dict(results), to_rgb=to_rgb)
    transform = HideAndSeek(grid_size=8, drop_rate=0.5, mean=MEAN, to_rgb=to_rgb)
    shown = preprocess(transform(dict(results)), to_rgb=to_rgb)
    assert not (plain == 0).all(dim=0).any()
    hidden = (shown == 0).all(dim=0)
    assert 0.2 < hidden.float().mean() < 0.8
    assert torch.equal(hidden, (shown == 0).any(dim=0))
    assert torch.equal(shown[:, ~hidden], plain[:, ~hidden])


def test_cells_are_hidden_as_a_whole_and_cut_off_at_the_far_edges():
    # 3 x 5 cells of 8 px on 20 x 33 px: the last row has 4 px, the last column 1
    transform = HideAndSeek(grid_size=8, drop_rate=0.5)
    seen = set()
    for _ in range(40):
        image = transform(loaded(20, 33))["img"]
        hidden = (image == transform.mean).all(axis=2)
        cells = np.add.reduceat(
            np.add.reduceat(hidden, range(0, 20, 8), axis=0), range(0, 33, 8), axis=1
        )
        areas = np.outer([8, 8, 4], [8, 8, 8, 8, 1])
        assert ((cells == 0) | (cells == areas)).all()
        seen |= {(i, j) for i, j in zip(*np.nonzero(cells), strict=True)}
    assert len(seen) == 15


@pytest.mark.parametrize("rate", [0.26, 0.66])
def test_share_of_hidden_cells(rate):
    transform = HideAndSeek(grid_size=1, drop_rate=rate)
    cells = transform.hidden_cells(200, 200)
    assert cells.mean() == pytest.approx(rate, abs=0.012)  # five standard errors


def test_the_seed_decides():
    transform = HideAndSeek(grid_size=4, drop_rate=0.5)
    images = []
    for seed in (7, 7, 8):
        np.random.seed(seed)
        images.append(transform(loaded(24, 24))["img"])
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_rate_one_hides_all_and_the_given_array_is_not_written_to():
    results = loaded(9, 9)
    before = results["img"].copy()
    image = HideAndSeek(grid_size=4, drop_rate=1)(dict(results))["img"]
    assert image.dtype == np.float32
    assert (image == np.float32(MEAN[::-1])).all()
    assert np.array_equal(results["img"], before)


def test_rate_zero_touches_nothing_and_draws_nothing():
    results = loaded(9, 9)
    state = np.random.get_state()
    assert HideAndSeek(grid_size=4, drop_rate=0)(results)["img"] is results["img"]
    assert results["img"].dtype == np.uint8
    after = np.random.get_state()
    assert np.array_equal(state[1], after[1])
    assert state[2:] == after[2:]


@pytest.mark.parametrize("settings", [(0, 0.5), (4, 1.5), (4, -0.1)])
def test_impossible_settings(settings):
    with pytest.raises(ValueError, match="grid_size >= 1 and 0 <= drop_rate <= 1"):
        HideAndSeek(*settings)
