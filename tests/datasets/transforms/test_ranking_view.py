"""RankingView: a second view beside an image that goes on as it was."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS, DefaultScope

import wsol_mm.datasets  # noqa: F401


def build(**kwargs):
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return TRANSFORMS.build(dict(type="wsol_mm.RankingView", **kwargs))


def test_the_view_is_kept_and_nothing_else_changes():
    img = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    results = {"img": img, "img_shape": (30, 40), "ori_shape": (30, 40), "img_id": "a.png"}
    given = dict(results)
    out = build(short_side=15, crop_size=11)(given)
    view = out.pop("ranking_view")
    assert view.dtype == torch.uint8
    resized = cv2.resize(img, (20, 15))
    assert np.array_equal(view.permute(1, 2, 0).numpy(), resized[2:13, 4:15])
    assert given == results  # resize and crop recorded themselves in the view alone
    assert out.keys() == results.keys()
    assert out["img"] is img


def test_a_crop_that_cannot_fit_is_refused():
    with pytest.raises(ValueError, match="crop_size=12 is larger than short_side=11"):
        build(short_side=11, crop_size=12)
