"""Masks: OR of instances, ignore only outside the foreground."""

import cv2
import numpy as np
import pytest

from wsol_mm.datasets.transforms import LoadMasks


def write(path, array):
    cv2.imwrite(str(path), array.astype(np.uint8) * 255)
    return str(path)


def test_masks_are_joined(tmp_path):
    first, second, ignore = (np.zeros((6, 8), bool) for _ in range(3))
    first[1:3, 1:3] = True
    second[2:5, 2:6] = True
    ignore[0:3] = True
    results = LoadMasks()(
        dict(
            ori_shape=(6, 8),
            mask_paths=[write(tmp_path / "a.png", first), write(tmp_path / "b.png", second)],
            ignore_path=write(tmp_path / "i.png", ignore),
        )
    )
    np.testing.assert_array_equal(results["gt_mask"], first | second)
    np.testing.assert_array_equal(results["ignore_mask"], ignore & ~(first | second))


def test_no_ignore_mask(tmp_path):
    path = write(tmp_path / "a.png", np.ones((4, 4), bool))
    results = LoadMasks()(dict(ori_shape=(4, 4), mask_paths=[path], ignore_path=None))
    assert not results["ignore_mask"].any()


def test_items_without_masks_pass():
    assert LoadMasks()(dict(ori_shape=(4, 4))) == dict(ori_shape=(4, 4))


def test_wrong_masks_name_the_file(tmp_path):
    path = write(tmp_path / "square.png", np.ones((4, 4), bool))
    with pytest.raises(ValueError, match=r"square\.png is 4x4 but its image is 8x6"):
        LoadMasks()(dict(ori_shape=(6, 8), mask_paths=[path]))
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        LoadMasks()(dict(ori_shape=(6, 8), mask_paths=[str(tmp_path / "gone.png")]))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"text\.png cannot be decoded"):
        LoadMasks()(dict(ori_shape=(6, 8), mask_paths=[str(tmp_path / "text.png")]))


def test_masks_of_one_image_must_agree(tmp_path):
    paths = [
        write(tmp_path / "a.png", np.ones((4, 4), bool)),
        write(tmp_path / "b.png", np.ones((8, 8), bool)),
    ]
    with pytest.raises(ValueError, match=r"scene\.jpg: its masks differ in size"):
        LoadMasks()(dict(ori_shape=(8, 8), img_path="scene.jpg", mask_paths=paths))


def test_masks_may_have_another_resolution(tmp_path):
    path = write(tmp_path / "a.png", np.ones((50, 67), bool))
    results = LoadMasks()(dict(ori_shape=(300, 400), mask_paths=[path]))
    assert results["gt_mask"].shape == (50, 67)
