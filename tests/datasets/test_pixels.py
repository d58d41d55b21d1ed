"""Pixels of data sets: what a viewer shows, with 8 bits."""

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from wsol_mm.datasets.pixels import decode_image, read_image

RAMP = np.linspace(0, 4095, 48).round().astype(np.uint16).reshape(6, 8)


def turned(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    return noise


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_plain_files_give_mmcvs_pixels(tmp_path, draw_image, suffix, mode):
    draw_image(tmp_path / f"a.{suffix}", mode=mode)
    decoded = decode_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(decoded.bgr, mmcv.imread(tmp_path / f"a.{suffix}"))
    assert (decoded.turned, decoded.bits) == (False, 8)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_is_obeyed_in_every_format(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = turned(path, 6)
    decoded = decode_image(path)
    assert decoded.turned
    assert decoded.bgr.shape == (40, 30, 3)
    if suffix in ("png", "tif"):
        np.testing.assert_array_equal(decoded.bgr[..., ::-1], np.rot90(noise, -1))
    difference = np.abs(decoded.bgr[..., ::-1].astype(int) - read_image(path))
    assert difference.max() <= 3  # two JPEG decoders
    turned(path, 1)
    assert not decode_image(path).turned


@pytest.mark.parametrize("colours", [False, True])
def test_twelve_bits_in_sixteen_are_not_black(tmp_path, colours):
    values = np.dstack([RAMP, RAMP // 2, RAMP // 4]) if colours else RAMP
    for suffix in ("png", "tif"):
        cv2.imwrite(str(tmp_path / f"a.{suffix}"), values)
        decoded = decode_image(tmp_path / f"a.{suffix}")
        assert decoded.bits == 12
        wanted = values if colours else np.dstack([RAMP] * 3)
        np.testing.assert_array_equal(decoded.bgr, np.rint(wanted * (255 / 4095)))
        assert mmcv.imread(str(tmp_path / f"a.{suffix}")).max() <= 16  # the fault


def test_transparent_pixels_are_white(tmp_path):
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[:, 3:, 3] = 255
    for suffix in ("png", "webp"):
        Image.fromarray(rgba).save(tmp_path / f"a.{suffix}", quality=100)
        bgr = decode_image(tmp_path / f"a.{suffix}").bgr
        assert bgr[:, :3].min() >= 253
        assert bgr[:, 3:].max() <= 2


@pytest.mark.slow
def test_200_megapixels_are_read(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((10_000, 20_000), np.uint8))
    assert decode_image(tmp_path / "a.png").bgr.shape == (10_000, 20_000, 3)
    with pytest.raises(ValueError, match="million pixels; make it smaller"):
        read_image(tmp_path / "a.png")


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").write_text("")
    for name in ("text.jpg", "empty.jpg", "gone.jpg"):
        with pytest.raises(ValueError, match=name) as caught:
            decode_image(tmp_path / name)
        assert "\n" not in str(caught.value)
