"""What holds for every head: golden values, flips, split batches, one signature, one contract.

`python tests/models/heads/test_every_head.py` writes the golden values anew.
"""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from head_cases import CASES, CLASSES, GRID
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.structures import DataSample
from torch import nn

from wsol_mm.models.heads import LocalizerHead, TappedFeatures

GOLDEN = Path(__file__).with_name("golden_maps.npz")
TRUTH = (3, 0)
EVERY = pytest.mark.parametrize("name", list(CASES))


@torch.no_grad()
def predicted(name):
    """Scores, labels and maps of two images, as arrays."""
    case = CASES[name]
    samples = [DataSample().set_gt_label(label) for label in TRUTH]
    found = {}
    for number, sample in enumerate(case.build().predict(case.features(2), samples)):
        for key in ("pred_score", "map_labels", "pred_maps"):
            found[f"{name}/{number}/{key}"] = sample.get(key).numpy()
    return found


def assert_close(left, right):
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


@EVERY
def test_golden_values(name):
    found = predicted(name)
    with np.load(GOLDEN) as golden:
        assert set(found) == {key for key in golden.files if key.startswith(f"{name}/")}, (
            "a new head: run this file"
        )
        for key, value in found.items():
            np.testing.assert_allclose(value, golden[key], rtol=1e-4, atol=1e-5, err_msg=key)


@EVERY
def test_one_signature_and_shape(name):
    case = CASES[name]
    head, feats = case.build(), case.features(2)
    assert type(head).localization_maps is LocalizerHead.localization_maps
    assert list(inspect.signature(head.draw_maps).parameters) == ["feats", "features", "labels"]
    labels = torch.tensor([[1, 4, 0], [2, 2, 3]])
    with torch.no_grad():
        maps = head.localization_maps(feats, labels)
        assert maps.shape[:2] == labels.shape
        assert maps.dtype == torch.float32
        assert_close(maps[1, 0], maps[1, 1])  # of one class
        # what predict writes is what one asks for
        for index, sample in enumerate(head.predict(feats)):
            if head.class_agnostic:
                assert sample.map_labels.tolist() == [-1]
                assert_close(sample.pred_maps[0], maps[index, 0])
            else:
                wanted = sample.map_labels.expand(2, -1)
                again = head.localization_maps(feats, wanted)[index]
                assert_close(sample.pred_maps, again)
        assert head(feats).shape == (2, CLASSES)
        assert_close(head(feats), head.class_scores(head.pre_logits(feats)))


@EVERY
@settings(max_examples=6, deadline=None)
@given(start=st.floats(0, 100), count=st.integers(2, 4), cut=st.integers(1, 3))
def test_images_of_a_batch_do_not_see_each_other(name, start, count, cut):
    case = CASES[name]
    head, feats = case.build(), case.features(count, start)
    labels = torch.arange(2 * count).view(count, 2) % CLASSES
    cut = min(cut, count - 1)
    with torch.no_grad():
        whole = head.localization_maps(feats, labels)
        parts = [
            head.localization_maps(each(feats, lambda x, s=s: x[s]), labels[s])
            for s in (slice(cut), slice(cut, None))
        ]
    assert_close(torch.cat(parts), whole)


@EVERY
@settings(max_examples=6, deadline=None)
@given(start=st.floats(0, 100))
def test_a_flipped_image_has_the_flipped_maps(name, start):
    case = CASES[name]
    head, feats = symmetric(case.build()), case.features(1, start)
    labels = torch.tensor([[1, 3]])
    with torch.no_grad():
        maps = head.localization_maps(feats, labels)
        flipped = head.localization_maps(each(feats, flip), labels)
    assert_close(flipped.flip(-1), maps)


def each(feats, function):
    changed = tuple(map(function, feats))
    if not isinstance(feats, TappedFeatures):
        return changed
    taps = {
        key: tuple(map(function, tap)) if isinstance(tap, tuple) else function(tap)
        for key, tap in feats.taps.items()
    }
    return TappedFeatures(changed, taps)


def flip(feature):
    """Left for right, of a map (B, C, h, w) or of tokens (B, 1 + h w, C)."""
    if feature.dim() == 4:
        return feature.flip(-1)
    grid = feature[:, 1:].unflatten(1, GRID).flip(2).flatten(1, 2)
    return torch.cat([feature[:, :1], grid], dim=1)


@torch.no_grad()
def symmetric(head):
    """The head with kernels and maps of its own that know neither left nor right."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_((module.weight + module.weight.flip(-1)) / 2)
    for buffer in head.buffers():
        if buffer.dim() == 3:  # contexts (K, h, w)
            buffer.copy_((buffer + buffer.flip(-1)) / 2)
    return head


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **{k: v for name in CASES for k, v in predicted(name).items()})
