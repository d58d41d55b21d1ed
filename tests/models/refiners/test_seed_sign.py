"""The object's side, chosen behind ARM as in the paper, before it, or not at all."""

import pytest
import torch

from wsol_mm.functional.sd_cam import orientations
from wsol_mm.models.refiners import build_refiners, refine

ARM = {"type": "wsol_mm.ARM", "neighbours": 8, "iterations": 50}
SIGN = {"type": "wsol_mm.SeedSign"}
SIZE = 12


@pytest.fixture
def spilled():
    """Two colours; the map spills over their border, and the seed lies where it spills.

    Before ARM the seed covers 2 of 8 high columns and no low one. ARM takes the spilled columns
    back: then it covers 2 of 6 low columns.
    """
    image = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    image[..., 6:] = 200
    score_map, seed = torch.zeros(2, 1, SIZE, SIZE)
    score_map[..., :8] = 1
    seed[..., 6:8] = 1
    return score_map, image, seed


def sides(score_map):
    """Means of the left and the right colour."""
    return score_map[..., :6].mean().item(), score_map[..., 6:].mean().item()


def test_behind_arm_the_choice_can_be_the_other_one(spilled):
    score_map, image, seed = spilled
    assert orientations(score_map[:, None], seed[:, None]).item() == 1
    left, right = sides(refine(build_refiners([SIGN, ARM]), *spilled)[0])
    assert left > 0.9 > 0.6 > right
    fine, facts = refine(build_refiners([ARM, SIGN]), *spilled)
    left, right = sides(fine)
    assert right > 0.4 > 0.1 > left
    assert facts == [[{}, {"seed": True, "turned": True}]]
    # eq. 11: exactly 1 - E, from 0 to 1
    plain, _ = refine(build_refiners([ARM]), score_map, image)
    torch.testing.assert_close(fine, 1 - plain)
    assert (fine.min(), fine.max()) == (0, 1)


def test_the_sign_before_does_not_matter(spilled):
    """So the head's own choice, or its absence, is no part of the result."""
    score_map, image, seed = spilled
    chain = build_refiners([ARM, SIGN])
    one, _ = refine(chain, score_map, image, seed)
    other, facts = refine(chain, 3 - 2 * score_map, image, seed)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert facts[0][1]["turned"] is False


def test_without_a_seed_the_sign_stays(spilled):
    score_map, image, seed = spilled
    chain = build_refiners([SIGN])
    for seeds in (None, seed * torch.nan, torch.ones_like(seed)):
        kept, facts = refine(chain, score_map, image, seeds)
        assert torch.equal(kept, score_map)
        assert facts == [[{"seed": False, "turned": False}]]


def test_each_image_has_its_own_seed_at_any_resolution(spilled):
    score_map, image, _ = spilled
    coarse = torch.tensor([[[1.0, 0, 0, 0]], [[0, 0, 0, 1.0]], [[torch.nan] * 4]])
    kept, facts = refine(
        build_refiners([SIGN]), score_map.repeat(3, 1, 1), image.repeat(3, 1, 1, 1), coarse
    )
    assert torch.equal(kept[0], score_map[0])
    assert torch.equal(kept[1], 1 - score_map[0])
    assert torch.equal(kept[2], score_map[0])
    assert [fact[0]["seed"] for fact in facts] == [True, True, False]


def test_the_threshold_is_a_share_of_the_class_maps_range(spilled):
    score_map, image, _ = spilled
    seed = torch.zeros_like(score_map)
    seed[..., :3], seed[..., 8:] = 1.0, 0.5  # the low side only counts below a threshold of 0.5
    for threshold, turned in ((0.6, False), (0.4, True)):
        chain = build_refiners([{**SIGN, "threshold": threshold}])
        assert refine(chain, score_map, image, seed)[1][0][0]["turned"] is turned


def test_nothing_found_stays_the_whole_image(spilled):
    """A seed must not turn it into its one low pixel."""
    score_map, image, _ = spilled
    seed = torch.zeros_like(score_map)
    seed[:, 0, 0] = 1
    found, _ = refine(build_refiners([ARM, SIGN]), 0 * score_map, image, seed)
    assert found.sum() == SIZE**2 - 1


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
def test_a_threshold_out_of_range_is_named(threshold):
    with pytest.raises(ValueError, match=r"threshold must lie in \[0, 1\)"):
        build_refiners([{**SIGN, "threshold": threshold}])
