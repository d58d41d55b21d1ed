"""Splitting a transformer's tokens, against a written-out attention layer."""

import pytest
import torch

from wsol_mm.functional.tokens import class_attention, patch_keys, patch_map, square_grid


def test_patches_are_the_last_tokens_in_row_order():
    tokens = torch.arange(2 * 8 * 3.0).reshape(2, 8, 3)
    maps = patch_map(tokens, (2, 3))
    assert maps.shape == (2, 3, 2, 3)
    for row in range(2):
        for column in range(3):
            assert torch.equal(maps[:, :, row, column], tokens[:, 2 + 3 * row + column])


def test_keys_are_the_middle_third_with_heads_side_by_side():
    qkv = torch.randn(2, 5, 3, 4, 2)  # queries, keys, values; heads; channels
    keys = patch_keys(qkv.flatten(2), (2, 2))
    assert torch.equal(keys, qkv[:, 1:, 1].flatten(2))


@pytest.mark.parametrize("extra", [1, 2, 5])
def test_class_attention_is_that_of_the_layer(extra):
    torch.manual_seed(extra)
    qkv = torch.randn(2, extra + 6, 3, 4, 2)
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    full = (query @ key.mT / 2**0.5).softmax(dim=-1)
    expected = full[:, :, 0, extra:].mean(dim=1).reshape(2, 2, 3)
    found = class_attention(qkv.flatten(2), 4, (2, 3))
    assert torch.allclose(found, expected, atol=1e-6)
    assert (found.sum(dim=(1, 2)) < 1).all()


def test_attention_stays_float32_under_autocast():
    qkv = torch.randn(1, 5, 12)
    with torch.autocast("cpu", torch.bfloat16):
        found = class_attention(qkv, 2, (2, 2))
    assert found.dtype == torch.float32
    assert torch.equal(found, class_attention(qkv, 2, (2, 2)))


def test_square_grid():
    assert square_grid(201, 5) == (14, 14)  # class token and four registers
    for length in (200, 1, 0):
        with pytest.raises(ValueError, match="extra_tokens"):
            square_grid(length, 1)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"at least 2 x 3"):
        patch_map(torch.zeros(1, 5, 4), (2, 3))
    with pytest.raises(ValueError, match="5 heads"):
        class_attention(torch.zeros(1, 5, 12), 5, (2, 2))
