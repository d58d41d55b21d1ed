"""Every refiner and the whole chain give finite maps on input with nothing to hold on to."""

import numpy as np
import pytest
import torch

from wsol_mm.models.refiners import build_refiners, refine

ARM, SIGN = {"type": "wsol_mm.ARM"}, {"type": "wsol_mm.SeedSign"}
SGRM = {"type": "wsol_mm.SGRM", "max_iterations": 3}
NOISE = np.random.default_rng(0).integers(0, 256, (3, 20, 18), np.uint8)
RAMP = np.linspace(-2, 5, 20, dtype=np.float32).reshape(4, 5)
PEAK = np.zeros((40, 36), np.float32)
PEAK[0, 0] = 1.0  # between the pixels that training at half size looks at

IMAGES = {
    "constant, one superpixel": np.full_like(NOISE, 77),
    "noise": NOISE,
    "smaller than a patch": NOISE[:, :5, :3],
    "one column": NOISE[:, :, :1],
    "one pixel": NOISE[:, :1, :1],
}
MAPS = {"constant": 0 * RAMP + 4, "ramp": RAMP, "turned": -RAMP, "one value": RAMP[:1, :1]}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("score_map", MAPS)
@pytest.mark.parametrize("seeded", [True, False])
@pytest.mark.parametrize("chain", [[ARM], [SGRM], [SIGN], [ARM, SIGN, SGRM]])
def test_maps_stay_finite(image, score_map, seeded, chain):
    maps = torch.from_numpy(MAPS[score_map])[None]
    pixels = torch.from_numpy(IMAGES[image])[None]
    seeds = torch.from_numpy(MAPS["ramp"])[None] if seeded else None
    refined, facts = refine(build_refiners(chain), maps, pixels, seeds)
    assert refined.shape == (1, *pixels.shape[2:])
    assert refined.isfinite().all()
    assert refined.min() >= 0
    assert refined.max() <= 1
    assert len(facts[0]) == len(chain)
    if score_map in ("constant", "one value") and refined.numel() > 1:
        assert refined.sum() == refined.numel() - 1  # the whole image


def test_no_reliable_object_falls_back():
    config = {**SGRM, "train_scale": 0.5}
    image = torch.from_numpy(NOISE)[None].repeat(1, 1, 2, 2)
    refined, facts = refine(build_refiners([config]), torch.from_numpy(PEAK)[None], image)
    assert facts[0][0]["fallback"] == "no reliable foreground"
    assert refined.sum() == 1
