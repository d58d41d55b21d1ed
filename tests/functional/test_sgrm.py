"""Self-guided re-prediction against a plain network trained on one image with torch's own parts."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.plain_sgrm import (
    plain_network,
    plain_repredict,
    vote_by_loop,
    vote_by_scatter,
)
from wsol_mm.functional import sgrm
from wsol_mm.functional.aggregation_net import initial_weights, margins, network_input
from wsol_mm.functional.arm import ARMSettings, refine_maps
from wsol_mm.functional.sgrm import (
    SGRMSettings,
    joint_loss,
    repredict,
    repredict_batch,
)
from wsol_mm.functional.sgrm_labels import image_labels

SMALL = SGRMSettings(segment_min_size=4, max_iterations=30)


def scene(seed, size=(24, 20)):
    """A bright rectangle on a dark ground, both with noise, and a map of one part of it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
    image[6:18, 4:15] = rng.integers(150, 256, 3) - rng.integers(0, 40, (12, 11, 3))
    score_map = np.zeros((6, 5))
    score_map[2:4, 1:3] = 1.0
    return score_map, image


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tolerance", [0.0, 0.1])
@pytest.mark.parametrize("vote", [vote_by_loop, vote_by_scatter])
def test_equals_the_straightforward_form(seed, tolerance, vote):
    """Until rounding errors have grown: ten iterations, or the stop."""
    score_map, image = scene(seed)
    settings = SGRMSettings(segment_min_size=4, max_iterations=10, tolerance=tolerance, seed=seed)
    ours = repredict(score_map, image, settings)
    mask, steps, wrong = plain_repredict(score_map, image, settings, vote)
    assert ours.fallback == ""
    assert ours.iterations == steps
    assert ours.error == pytest.approx(wrong, abs=0.01)
    assert (ours.mask != mask).mean() < 0.01


def test_initial_weights_are_torchs_and_leave_its_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = initial_weights(3)
    assert torch.equal(before, torch.get_rng_state())
    for ours, theirs in zip(weights, plain_network(3).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_stacked_margins_are_each_networks_own():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 9, 8)
    weights = [
        torch.stack([w + 0.1 * torch.randn_like(w) for _ in range(3)]) for w in initial_weights(0)
    ]
    together = margins(weights, images)
    for index in range(3):
        network = plain_network(0)
        with torch.no_grad():
            for parameter, weight in zip(network.parameters(), weights, strict=True):
                parameter.copy_(weight[index])
        logits = network(images[index : index + 1])[0]
        torch.testing.assert_close(together[index], logits[1] - logits[0], rtol=1e-4, atol=1e-4)


def test_joint_loss_and_its_gradient_equal_cross_entropies():
    torch.manual_seed(1)
    logits = torch.randn(2, 2, 5, 6, requires_grad=True)
    labels = torch.randint(0, 3, (2, 5, 6))
    labels = torch.where(labels == 2, 255, labels).to(torch.uint8)
    labels[1][labels[1] == 1] = 255  # the second image has no reliable object
    target = torch.rand(2, 5, 6) > 0.5
    wanted = 0
    for image in range(2):
        one, label = logits[image : image + 1], labels[image : image + 1].long()
        wanted = wanted + 0.3 * F.cross_entropy(one, target[image : image + 1].long())
        for value, weight in ((1, 2.0), (0, 0.1)):
            if (label == value).any():
                kept = torch.where(label == value, label, 255)
                wanted = wanted + weight * F.cross_entropy(one, kept, ignore_index=255)
    settings = SGRMSettings(superpixel_weight=0.3)
    ours = joint_loss(logits[:, 1] - logits[:, 0], labels, target, settings).sum()
    torch.testing.assert_close(ours, wanted)
    gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, wanted)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("train_scale", [1.0, 0.5])
def test_an_image_does_not_feel_its_batch(monkeypatch, train_scale):
    """Others stop earlier, later or fall back; the batch is compacted on the way."""
    monkeypatch.setattr(sgrm, "_COMPACT_EVERY", 3)
    settings = SGRMSettings(
        segment_min_size=4, max_iterations=14, tolerance=0.15, train_scale=train_scale
    )
    pairs = [scene(seed) for seed in range(4)]
    pairs[1] = (np.ones((2, 2)), pairs[1][1])
    pairs[2] = (np.random.default_rng(0).random((24, 20)), pairs[2][1])  # does not stop early
    alone = [repredict(*pair, settings) for pair in pairs]
    together = repredict_batch(*zip(*pairs, strict=True), settings)
    assert len({result.iterations for result in alone}) > 2
    for one, other in zip(alone, together, strict=True):
        assert other.iterations == one.iterations
        assert other.fallback == one.fallback
        assert other.error == pytest.approx(one.error, abs=0.01)
        assert (other.mask != one.mask).mean() < 0.01


def test_the_result_is_the_same_every_time_and_in_any_mode():
    score_map, image = scene(3)
    first = repredict(score_map, image, SMALL)
    with torch.inference_mode():
        torch.rand(3)
        second = repredict(score_map, image, SMALL)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        third = repredict(score_map, image, SMALL)
    for other in (second, third):
        np.testing.assert_array_equal(other.mask, first.mask)
        assert other[1:] == first[1:]


@pytest.mark.parametrize("train_scale", [1.0, 0.5])
def test_grows_from_a_part_to_the_object(train_scale):
    """What the method is for: at half its height the coarse map covers a third of the object."""
    score_map, image = scene(2, size=(48, 40))
    image = np.zeros_like(image) + np.uint8(30)
    image[10:40, 8:30] = [220, 60, 120]
    truth = image[..., 0] > 100
    settings = SGRMSettings(segment_min_size=8, tolerance=0.05, train_scale=train_scale)
    refined = refine_maps(score_map[None], image)[0]

    def iou(mask):
        return (mask & truth).sum() / (mask | truth).sum()

    assert iou(refine_maps(score_map[None], image, ARMSettings(iterations=0))[0] > 0.5) < 0.4
    assert iou(repredict(refined, image, settings).mask) > 0.8


def test_degenerate_input_ends_in_a_mask():
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 12).reshape(3, 4)
    flat = np.full((12, 10, 3), 77, np.uint8)
    noise = rng.integers(0, 256, flat.shape, dtype=np.uint8)
    for image in (flat, noise, flat[:1], flat[:, :1], noise[:1, :2], noise[:1, :1]):
        for score_map in (ramp, ramp * 0, ramp[:1, :1], -ramp):
            for train_scale in (1.0, 0.5):
                settings = SGRMSettings(
                    segment_min_size=4, max_iterations=4, train_scale=train_scale
                )
                result = repredict(score_map, image, settings)
                assert result.mask.shape == image.shape[:2]
                assert result.mask.any()
                assert np.isfinite(result.error + result.foreground_error)


def test_fallbacks_say_why():
    score_map, image = scene(0)
    constant = repredict(score_map * 0 + 2, image, SMALL)
    assert constant.fallback == "constant map"
    assert constant.mask.all()
    # The one reliable pixel is between the pixels that training at half size looks at.
    peak = np.zeros((24, 20))
    peak[0, 0], peak[12:] = 1.0, 0.3
    lost = repredict(peak, image, SGRMSettings(train_scale=0.5))
    assert lost.fallback == "no reliable foreground"
    np.testing.assert_array_equal(lost.mask, peak > peak.mean())
    # Object pixels without weight: everything becomes background.
    nothing = SGRMSettings(
        foreground_weight=0,
        background_weight=2,
        superpixel_weight=0,
        tolerance=0.0,
        max_iterations=40,
    )
    empty = repredict(peak, image, nothing)
    assert empty.fallback == "empty mask"
    np.testing.assert_array_equal(empty.mask, peak > peak.mean())


def test_stops_at_the_tolerance_after_at_least_one_update():
    score_map, image = scene(0)
    stopped = repredict(score_map, image, SGRMSettings(segment_min_size=4, tolerance=1.1))
    assert stopped.iterations == 2
    never = SGRMSettings(segment_min_size=4, tolerance=0.0, max_iterations=7)
    assert repredict(score_map, image, never).iterations == 7


def distracted():
    """An object, half as much ground of nearly its colour, and a map that is all but ideal."""
    rng = np.random.default_rng(0)
    image = np.full((48, 48, 3), [60, 110, 60], np.uint8)
    image[16:32, 8:24] = [200, 40, 40]  # 256 of 2304 pixels
    image[18:30, 34:45] = [170, 70, 60]
    image = (image + rng.integers(-6, 7, image.shape)).astype(np.uint8)
    truth = np.zeros((48, 48), bool)
    truth[16:32, 8:24] = True
    return cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0), image, truth


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


FINE = SGRMSettings(segment_min_size=9)


def test_pooled_errors_let_false_positives_of_half_an_object_through():
    """A tenth of all reliable pixels is most of a small object."""
    score_map, image, truth = distracted()
    assert iou(score_map > 0.5, truth) > 0.94
    pooled = repredict(score_map, image, FINE)
    assert pooled.error < 0.1
    false = (pooled.mask & ~truth).sum() / truth.sum()
    assert false > 0.4
    by_class = repredict(score_map, image, replace(FINE, stop="per_class"))
    assert by_class.iterations > pooled.iterations
    assert (by_class.mask & (score_map < 0.1)).sum() < 0.1 * (score_map > 0.6).sum()
    assert iou(by_class.mask, truth) > iou(pooled.mask, truth) + 0.15


def test_the_share_of_each_class_is_told():
    score_map, image, _ = distracted()
    result = repredict(score_map, image, FINE)
    labels = image_labels(score_map, image, FINE).pixels
    assert result.foreground_error == pytest.approx((~result.mask)[labels == 1].mean())
    assert result.background_error == pytest.approx(result.mask[labels == 0].mean())


@pytest.mark.parametrize("train_scale", [1.0, 0.5])
def test_the_voted_mask_is_eq_13_of_the_networks(train_scale):
    score_map, image, truth = distracted()
    settings = replace(FINE, train_scale=train_scale)
    raw = repredict(score_map, image, settings)
    voted = repredict(score_map, image, replace(settings, mask="vote"))
    found = image_labels(score_map, image, settings)
    wanted = raw.mask.copy()
    for segment in range(found.segments.max() + 1):
        inside = found.segments == segment
        known = found.superpixels[inside][0]
        wanted[inside] = raw.mask[inside].mean() > 0.5 if known == 255 else known == 1
    np.testing.assert_array_equal(voted.mask, wanted)
    assert voted.iterations == raw.iterations
    assert iou(voted.mask, truth) > iou(raw.mask, truth) + 0.1


def test_thresholds_follow_the_map():
    """A body at .08 of the peak is background for the paper's thresholds, not for the map's."""
    image = np.full((40, 40, 3), 20, np.uint8)
    image[8:32, 8:32] = [200, 40, 90]
    score_map = np.zeros((40, 40))
    score_map[8:32, 8:32], score_map[8:16, 8:16] = 0.08, 1.0
    fixed = image_labels(score_map, image, FINE)
    assert (fixed.pixels[20:32, 8:32] == 0).all()
    for pivot in ("mean", "otsu", 0.05):
        found = image_labels(score_map, image, replace(FINE, pivot=pivot))
        assert (found.pixels[:8] == 0).all()
        if pivot != "otsu":  # which parts the peak from the rest
            assert (found.pixels[20:32, 8:32] == 255).all()
            assert (found.superpixels[20:32, 8:32] == 1).all()
        assert (found.pixels[8:16, 8:16] == 1).all()
    half = image_labels(score_map, image, replace(FINE, pivot=0.5))
    np.testing.assert_array_equal(half.pixels, fixed.pixels)


def test_a_pivot_is_each_maps_own():
    values = np.array([[0.0, 0.1, 0.1, 1.0]])
    assert SGRMSettings(pivot="mean").pivot_of(values) == pytest.approx(0.3)
    assert 0.1 < SGRMSettings(pivot="otsu").pivot_of(values) < 1
    assert SGRMSettings(pivot=0.2).pivot_of(values) == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pivot": 0.0}, "pivot must be a number"),
        ({"pivot": "median"}, "pivot must be a number"),
        ({"mask": "crf"}, "mask must be one of"),
        ({"stop": "never"}, "stop must be one of"),
        ({"low": 0.7}, "low <= high"),
        ({"superpixel_high": 1.0}, "superpixel_low <= superpixel_high"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"train_scale": 0.0}, "train_scale"),
    ],
)
def test_refuses_settings_without_meaning(change, message):
    with pytest.raises(ValueError, match=message):
        SGRMSettings(**change)


def test_refuses_what_is_no_map_or_image():
    score_map, image = scene(0)
    with pytest.raises(ValueError, match="expected a map"):
        repredict(score_map[None], image)
    with pytest.raises(ValueError, match="NaN or infinite"):
        repredict(score_map + np.inf, image)
    with pytest.raises(ValueError, match="all of one size"):
        repredict_batch([score_map] * 2, [image, image[:5]])


def test_network_input():
    images = network_input(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8))
    assert images.shape == (1, 3, 1, 1)
    torch.testing.assert_close(images.flatten(), torch.tensor([0.0, 0.2, 1.0]))
