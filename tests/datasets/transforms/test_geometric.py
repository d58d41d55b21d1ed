"""Every geometric transform records the way back to the original frame."""

import numpy as np
import pytest
from mmcv.transforms import CenterCrop as UntrackedCrop
from mmcv.transforms import Compose
from mmcv.transforms import RandomFlip as UntrackedFlip
from mmcv.transforms import Resize as UntrackedResize

from wsol_mm.datasets.transforms import (
    CenterCrop,
    PackWSOLInputs,
    Pad,
    RandomCrop,
    RandomFlip,
    Resize,
)
from wsol_mm.functional.geometry import transform_boxes


def scene(height=90, width=120, box=(30, 20, 70, 60)):
    """A black image with one white box."""
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    return dict(
        img=image,
        img_path="scene.png",
        img_id="scene.png",
        ori_shape=(height, width),
        img_shape=(height, width),
        gt_label=1,
        instances=[dict(bbox=list(box), bbox_label=0)],
    )


def white_box(image):
    """Extent of the white pixels, exclusive end."""
    ys, xs = np.nonzero(image[..., 0] > 127)
    return np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], float)


@pytest.mark.parametrize(
    "transforms",
    [
        [Resize(scale=(224, 224))],
        [Resize(scale=(256, 256)), CenterCrop(224)],
        [Resize(scale=(256, 256)), RandomCrop(224), RandomFlip(prob=1.0)],
        [RandomFlip(prob=1.0, direction="vertical"), Resize(scale=(64, 96))],
        [RandomFlip(prob=1.0, direction="diagonal"), RandomCrop((100, 80))],
        [Resize(scale=(180, 180), keep_ratio=True), CenterCrop((160, 120))],
        [Resize(scale=(9999, 100), keep_ratio=True), Pad(size_divisor=16)],
    ],
    ids=repr,
)
def test_homography_says_where_the_box_went(transforms):
    np.random.seed(0)
    results = Compose(transforms)(scene())
    expected = transform_boxes([[30, 20, 70, 60]], results["homography_matrix"])
    np.testing.assert_allclose(white_box(results["img"]), expected, atol=1.0)
    sample = PackWSOLInputs()(results)["data_samples"]
    np.testing.assert_array_equal(sample.gt_instances.bboxes, [[30, 20, 70, 60]])
    assert sample.homography_matrix.dtype == np.float64
    assert sample.img_id == "scene.png"


@pytest.mark.parametrize(
    "transform",
    [
        UntrackedResize(scale=(64, 64)),
        UntrackedCrop(64),
        UntrackedFlip(prob=1.0, direction="horizontal"),
    ],
    ids=["resize", "crop", "flip"],
)
def test_untracked_transforms_are_refused(transform):
    with pytest.raises(ValueError, match=r"scene\.png.*without recording it"):
        PackWSOLInputs()(transform(scene()))


def test_boxes_left_behind_are_refused():
    results = scene()
    results["gt_bboxes"] = np.array([[30.0, 20, 70, 60]])
    with pytest.raises(ValueError, match="CenterCrop does not move gt_bboxes"):
        CenterCrop(64)(results)


def test_crop_larger_than_the_image():
    with pytest.raises(ValueError, match=r"crop 224x224 is larger than the image 120x90 \(scene"):
        CenterCrop(224)(scene())


def test_random_crop_reaches_every_place():
    np.random.seed(0)
    places = {tuple(RandomCrop((119, 89))(scene())["homography_matrix"][:2, 2]) for _ in range(60)}
    assert places == {(-x, -y) for x in (0, 1) for y in (0, 1)}


def test_boxes_are_absent_without_annotations():
    results = scene()
    del results["instances"]
    assert "gt_instances" not in PackWSOLInputs()(results)["data_samples"]
