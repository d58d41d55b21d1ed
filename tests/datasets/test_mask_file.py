"""What the values of a mask file mean."""

import cv2
import numpy as np
import pytest
from PIL import Image

from wsol_mm.datasets.mask_file import decode_mask

DISC = np.zeros((20, 20), np.uint8)
cv2.circle(DISC, (10, 10), 6, 1, -1)
RIM = np.zeros((20, 20), np.uint8)
cv2.circle(RIM, (10, 10), 7, 1, 1)
RIM = RIM.astype(bool) & (DISC == 0)


def write(path, values, mode="L"):
    image = Image.fromarray(values)
    if mode == "P":
        image = Image.fromarray(values, "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [200] * 759)
    image.save(path)
    return path


@pytest.mark.parametrize("value", [1, 7, 255])
def test_two_values_are_background_and_object(tmp_path, value):
    mask = decode_mask(write(tmp_path / "a.png", DISC * np.uint8(value)))
    np.testing.assert_array_equal(mask.object, DISC > 0)
    assert not mask.void.any()
    assert mask.note == ""


def test_one_value_is_all_or_nothing(tmp_path):
    assert decode_mask(write(tmp_path / "a.png", np.full((4, 4), 9, np.uint8))).object.all()
    assert not decode_mask(write(tmp_path / "a.png", np.zeros((4, 4), np.uint8))).object.any()


def test_one_bit_deep_and_grey_colour_files(tmp_path):
    Image.fromarray(DISC > 0).save(tmp_path / "a.png")
    Image.fromarray(DISC.astype(np.uint16) * 4095).save(tmp_path / "b.png")
    Image.fromarray(np.dstack([DISC * 255] * 3)).save(tmp_path / "c.png")
    for name in "abc":
        np.testing.assert_array_equal(decode_mask(tmp_path / f"{name}.png").object, DISC > 0)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_255_beside_labels_is_void(tmp_path, mode):
    values = DISC.copy()
    values[10:][DISC[10:] > 0] = 2
    values[RIM] = 255
    mask = decode_mask(write(tmp_path / "a.png", values, mode))
    np.testing.assert_array_equal(mask.object, DISC > 0)
    np.testing.assert_array_equal(mask.void, RIM)
    assert bool(mask.note) == (mode == "L")


def test_a_palettes_colours_do_not_matter(tmp_path):
    values = DISC * np.uint8(5)
    path = write(tmp_path / "a.png", values, "P")
    image = Image.open(path)
    image.putpalette([255, 255, 255] + [0] * 765)  # a white background, black objects
    image.save(path)
    np.testing.assert_array_equal(decode_mask(path).object, DISC > 0)
    assert (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0).sum() == (DISC == 0).sum()  # the fault


def test_ringing_and_soft_edges_are_cut(tmp_path):
    Image.fromarray(DISC * np.uint8(255)).save(tmp_path / "a.jpg", quality=60)
    raw = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    mask = decode_mask(tmp_path / "a.jpg")
    wrong = (mask.object != (DISC > 0)).mean()
    assert wrong < 0.02 < ((raw > 0) != (DISC > 0)).mean()
    assert "JPEG" in mask.note
    soft = cv2.GaussianBlur(DISC * np.uint8(255), (5, 5), 1)
    assert "soft" in decode_mask(write(tmp_path / "b.png", soft)).note


def test_labels_without_void_are_object_and_noted(tmp_path):
    values = DISC.copy()
    values[10:][DISC[10:] > 0] = 2
    mask = decode_mask(write(tmp_path / "a.png", values))
    np.testing.assert_array_equal(mask.object, DISC > 0)
    assert "several labels" in mask.note


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("trimap.png", DISC + 1, "has the values 1, 2 and no 0"),
        ("labels.jpg", DISC * np.uint8(60), "is a JPEG with values up to"),
        ("colours.png", np.dstack([DISC * 255, DISC, DISC]), "has colours, and nothing says"),
        ("deep.png", DISC.astype(np.uint16) * 300 + DISC.cumsum(0).astype(np.uint16), "mode I;16"),
    ],
)
def test_what_cannot_be_a_mask_is_refused(tmp_path, name, values, message):
    Image.fromarray(values).save(tmp_path / name)
    with pytest.raises(ValueError, match=message) as caught:
        decode_mask(tmp_path / name)
    assert f"mask {tmp_path / name}" in str(caught.value)
    assert "\n" not in str(caught.value)
