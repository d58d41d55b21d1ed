"""What becomes of an image whose crop loses its box."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope

import wsol_mm.datasets  # noqa: F401
from wsol_mm.registry import TRANSFORMS

pytest.importorskip("mmcv._ext")
from mmdet.structures.bbox import HorizontalBoxes


def build(no_box, size=8, **more):
    crop = dict(type="mmdet.RandomCrop", crop_size=(size, size))
    with DefaultScope.overwrite_default_scope("mmdet"):
        return TRANSFORMS.build(dict(type="wsol_mm.BoxCrop", crop=crop, no_box=no_box, **more))


def image(*boxes):
    """A 32 px image whose pixels tell where they are."""
    rows, columns = np.mgrid[:32, :32].astype(np.uint8)
    return dict(
        img=np.stack([rows, columns, rows], axis=-1),
        img_shape=(32, 32),
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.zeros(len(boxes), np.int64),
        gt_ignore_flags=np.zeros(len(boxes), bool),
    )


CORNER = (0, 0, 14, 14)


def seeded(crop, results, seed):
    np.random.seed(seed)
    return crop(results)


def test_background_and_entropy_see_the_same_crops():
    lost = 0
    for seed in range(20):
        plain = seeded(build("background"), image(CORNER), seed)
        marked = seeded(build("entropy"), image(CORNER), seed)
        assert np.array_equal(plain["img"], marked["img"])
        gone = len(plain["gt_bboxes"]) == 0
        lost += gone
        assert plain["entropy_only"] is False
        assert marked["entropy_only"] is gone
    assert 0 < lost < 20


def test_resampled_crops_keep_a_box_in_its_place():
    for seed in range(20):
        results = image(CORNER)
        cropped = seeded(build("resample", tries=500), results, seed)
        (x0, y0, x1, y1) = cropped["gt_bboxes"].tensor[0].tolist()
        # where the crop lies stands in its first pixel
        top, left = cropped["img"][0, 0, :2].tolist()
        assert [x0, y0] == [0, 0]
        assert [x1, y1] == [min(8, 14 - left), min(8, 14 - top)]
        assert cropped["entropy_only"] is False
        # what came in is as it was
        assert results["gt_bboxes"].tensor.tolist() == [list(CORNER)]


def test_another_image_is_taken_where_resampling_cannot_help():
    assert build("resample")(image()) is None
    crop = build("resample", size=1, tries=3)
    found = [seeded(crop, image(CORNER), seed) is None for seed in range(20)]
    assert any(found)


def test_images_without_a_box_before_the_crop():
    assert build("background")(image())["entropy_only"] is False
    assert build("entropy")(image())["entropy_only"] is True


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="no_box must be one of"):
        build("drop")
    with pytest.raises(ValueError, match="tries=0"):
        build("resample", tries=0)
