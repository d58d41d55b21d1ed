"""Pixels compared with the lists; masks: OR of instances, ignore only outside the foreground."""

import cv2
import numpy as np
import pytest
from PIL import Image

from wsol_mm.datasets import FolderWSOL
from wsol_mm.datasets.transforms import FixedViews, LoadImage, LoadMasks


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


def photograph(path, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path, exif=exif)
    return str(path)


def item(path, width=None, height=None, box=None):
    sizes = {"width": width, "height": height} if width else {}
    boxes = {"instances": [{"bbox": box}]} if box else {}
    return {"img_path": path, **sizes, **boxes}


def test_an_image_is_loaded_as_a_viewer_shows_it(tmp_path):
    results = LoadImage()(item(photograph(tmp_path / "a.jpg", 6), 30, 40, [0, 20, 30, 40]))
    assert results["ori_shape"] == results["img_shape"] == results["img"].shape[:2] == (40, 30)


@pytest.mark.parametrize(
    ("orientation", "listed", "box", "message"),
    [
        (6, (40, 30), None, r"its list says 40x30, the size before its EXIF tag turns it to 30x40"),
        (1, (30, 40), None, r"a.jpg: is 40x30 px, its list says 30x40: correct the list"),
        (1, (80, 60), None, r"a.jpg: is 40x30 px, its list says 80x60"),
        (6, (None, None), [5, 5, 38, 20], r"a.jpg: box .* lies outside its image of 30x40 px"),
        (1, (None, None), [5, 5, 20, 39], r"a.jpg: box .* lies outside its image of 40x30 px"),
    ],
)
def test_pixels_and_lists_of_different_frames_are_refused(
    tmp_path, orientation, listed, box, message
):
    path = photograph(tmp_path / "a.jpg", orientation)
    with pytest.raises(ValueError, match=message):
        LoadImage()(item(path, *listed, box))


def test_what_is_unclear_is_warned_of_once(tmp_path, log):
    load = LoadImage()
    for name in "ab":
        load(item(photograph(tmp_path / f"{name}.jpg", 6), box=[1, 2, 10, 10]))
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((3, 4), 4000, np.uint16))
        load(item(str(tmp_path / f"{name}.png")))
    assert len(log) == 2
    assert "a.jpg: its EXIF tag turns it and is obeyed; its boxes are taken" in log[0]
    assert "a.png: has values of 12 bits; 4095 becomes white" in log[1]
    load(
        item(photograph(tmp_path / "c.jpg", 6), 30, 40, [1, 2, 10, 10])
    )  # the list is of this frame
    assert len(log) == 2


def test_every_pipeline_of_a_data_set_reads_so(tmp_path):
    (tmp_path / "train/cat").mkdir(parents=True)
    photograph(tmp_path / "train/cat/a.jpg")
    views = dict(type="wsol_mm.FixedViews", views=2, transforms=[dict(type="LoadImageFromFile")])
    own = dict(type="LoadImageFromFile", color_type="grayscale")
    data = FolderWSOL(
        str(tmp_path), pipeline=[dict(type="mmpretrain.LoadImageFromFile"), views, own]
    )
    first, second, third = data.pipeline.transforms
    assert isinstance(first, LoadImage)
    assert isinstance(second, FixedViews)
    assert isinstance(second.transforms.transforms[0], LoadImage)
    assert third.color_type == "grayscale"  # options of its own: left alone
    assert data[0]["img"].shape == (30, 40)


def test_void_pixels_are_ignored(tmp_path, log):
    values = np.zeros((6, 8), np.uint8)
    values[1:4, 1:4], values[4] = 1, 255
    Image.fromarray(values).save(tmp_path / "a.png")
    results = LoadMasks()(dict(ori_shape=(6, 8), mask_paths=[str(tmp_path / "a.png")]))
    np.testing.assert_array_equal(results["gt_mask"], values == 1)
    np.testing.assert_array_equal(results["ignore_mask"], values == 255)
    assert "labels, 255 taken as void" in log[0]
