"""Masks of foreground and background, area and difference: loops, theta = 0, constant maps."""

import pytest
import torch

from wsol_mm.functional.masking import area_loss, difference_scores, foreground_masks


def draw(images=3, side=14):
    maps = torch.rand(images, side, side, generator=torch.Generator().manual_seed(0))
    return maps - maps.amin(dim=(1, 2), keepdim=True)


def bilinear(row, position):
    """The value of a row at a position in pixels, ends repeated."""
    position = min(max(position, 0.0), len(row) - 1.0)
    left = min(int(position), len(row) - 2)
    share = position - left
    return (1 - share) * row[left] + share * row[left + 1]


def test_a_mask_by_hand():
    row = [0.0, 3.0, 1.0, 2.0]
    found = foreground_masks(torch.tensor([[row]]), (1, 8), 0.5)
    large = [bilinear(row, (x + 0.5) / 2 - 0.5) for x in range(8)]
    assert found[0, 0, 0].tolist() == [float(value > 0.5 * max(large)) for value in large]
    assert 0 < found.sum() < 8


@pytest.mark.parametrize("threshold", [0.08, 0.15, 0.5, 0.9])
def test_masks_are_those_of_the_upsampled_map_image_by_image(threshold):
    maps = draw()
    masks = foreground_masks(maps, (96, 80), threshold)
    assert masks.shape == (3, 1, 96, 80)
    assert masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    for one, mask in zip(maps, masks, strict=True):
        large = torch.nn.functional.interpolate(one[None, None], (96, 80), mode="bilinear")[0, 0]
        assert torch.equal(mask[0].bool(), large > threshold * large.max())
        # scaling a map moves no mask
        scaled = foreground_masks(8 * one[None], (96, 80), threshold)
        assert torch.equal(scaled[0], mask)


def test_at_threshold_zero_almost_everything_is_foreground():
    maps = 1 + torch.zeros(1, 14, 14)
    for corner in (True, False):
        maps[0] = 1
        maps[0, 0 if corner else 7, 0 if corner else 7] = 0
        removed = (foreground_masks(maps, (224, 224), 0.0) == 0).sum().item()
        assert removed == (64 if corner else 0)  # an 8x8 patch, or nothing


def test_a_constant_map_keeps_the_whole_image():
    masks = foreground_masks(torch.zeros(2, 7, 7), (28, 28), 0.25)
    assert (masks == 1).all()


def test_masks_carry_no_gradient():
    assert not foreground_masks(draw().requires_grad_(), (28, 28), 0.25).requires_grad


def test_masks_of_half_precision_maps():
    masks = foreground_masks(draw().bfloat16(), (28, 28), 0.25)
    assert masks.dtype == torch.float32


def test_area_and_its_gradient():
    maps = draw().requires_grad_()
    area = area_loss(maps)
    assert area.item() == pytest.approx(sum(maps.flatten().tolist()) / maps.numel(), rel=1e-5)
    area.backward()
    assert torch.equal(maps.grad, torch.full_like(maps, 1 / maps.numel()))


def test_upsampling_by_whole_factors_does_not_change_the_area():
    maps = draw()
    large = torch.nn.functional.interpolate(maps[:, None], (224, 224), mode="bilinear")
    torch.testing.assert_close(area_loss(large), area_loss(maps))


def test_difference_scores():
    scores, fore, back = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    contrast, both = difference_scores(scores, fore, back)
    assert torch.equal(contrast, fore - back)
    torch.testing.assert_close(both, 0.5 * scores + 0.5 * fore - 0.5 * back)
