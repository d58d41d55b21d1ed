"""Any image becomes what a viewer shows, and any input a list of images."""

import cv2
import numpy as np
import pytest
from PIL import Image

from wsol_mm.apis.images import array_to_rgb, describe_left_out, list_sources, read_image

# left half red, right half blue, one green row on top
PICTURE = np.zeros((4, 6, 3), np.uint8)
PICTURE[:, :3, 0], PICTURE[:, 3:, 2] = 255, 255
PICTURE[0] = (0, 255, 0)


def save(path, image, **more):
    image.save(path, **more)
    return path


def test_modes_become_rgb(tmp_path):
    rgb = Image.fromarray(PICTURE)
    assert np.array_equal(read_image(save(tmp_path / "a.png", rgb)), PICTURE)
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(read_image(save(tmp_path / "p.png", palette)), PICTURE)
    cmyk = read_image(save(tmp_path / "c.tif", rgb.convert("CMYK")))
    assert np.abs(cmyk.astype(int) - PICTURE).max() <= 1
    grey = read_image(save(tmp_path / "g.png", rgb.convert("L")))
    assert (grey[..., 0] == grey[..., 2]).all()
    assert grey[0, 0, 0] == 150  # ITU-R 601: .587 * 255


def test_transparency_is_white(tmp_path):
    alpha = np.full((4, 6), 255, np.uint8)
    alpha[:, 0], alpha[:, 1] = 0, 51
    rgba = Image.fromarray(np.dstack([PICTURE, alpha]))
    got = read_image(save(tmp_path / "a.png", rgba))
    assert got[2, 0].tolist() == [255, 255, 255]
    assert got[2, 1].tolist() == [255, 204, 204]  # a fifth of red
    assert got[2, 2].tolist() == [255, 0, 0]
    bgra = np.dstack([PICTURE[..., ::-1], alpha])
    assert np.array_equal(array_to_rgb(bgra), got)
    keyed = Image.fromarray(PICTURE)
    got = read_image(save(tmp_path / "k.png", keyed, transparency=(0, 0, 255)))
    assert got[2, 5].tolist() == [255, 255, 255]
    assert got[2, 0].tolist() == [255, 0, 0]


def test_exif_orientation_is_what_a_viewer_shows(tmp_path):
    for orientation, expected in ((6, np.rot90(PICTURE, -1)), (3, PICTURE[::-1, ::-1])):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = save(tmp_path / f"{orientation}.png", Image.fromarray(PICTURE), exif=exif)
        assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize(("bits", "top"), [(10, 1023), (12, 4095), (16, 65535), (12, 3000)])
def test_deep_images_are_not_black(tmp_path, bits, top):
    ramp = np.linspace(0, top, 12).round().astype(np.uint16).reshape(3, 4)
    expected = np.rint(ramp * (255 / (2**bits - 1)))
    cv2.imwrite(str(tmp_path / "a.png"), ramp)
    assert np.abs(read_image(tmp_path / "a.png")[..., 1] - expected).max() == 0
    colours = np.dstack([ramp, ramp // 2, ramp * 0])  # blue, green, red
    cv2.imwrite(str(tmp_path / "c.tif"), colours)
    got = read_image(tmp_path / "c.tif")
    assert np.abs(got[..., 0] - expected * 0).max() == 0
    assert np.abs(got[..., 1] - expected / 2).max() <= 1
    assert np.abs(got[..., 2] - expected).max() == 0


def test_arrays():
    assert np.array_equal(array_to_rgb(PICTURE[..., ::-1]), PICTURE)
    assert np.array_equal(array_to_rgb(PICTURE[..., ::-1] / 255.0), PICTURE)
    assert array_to_rgb(np.eye(2, dtype=bool)).tolist()[0] == [[255] * 3, [0] * 3]
    with pytest.raises(ValueError, match=r"shape .*, got \(4, 6, 2\)"):
        array_to_rgb(PICTURE[..., :2])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        array_to_rgb(PICTURE * 1.0)


def test_folder_is_walked_and_what_is_left_out_is_counted(tmp_path):
    for name in ("b/2.JPG", "a.png", ".hidden/3.png", "b/.4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(PICTURE).save(tmp_path / name)
    (tmp_path / "list.txt").write_text("a.png")
    sources, left_out = list_sources(tmp_path)
    assert [source.name for source in sources] == [
        str(tmp_path / name) for name in ("a.png", "b/2.JPG")
    ]
    assert describe_left_out(left_out).startswith("1 files that are no images")
    assert np.array_equal(sources[0].read(), PICTURE)


def test_patterns_lists_and_images(tmp_path):
    for name in ("1.png", "2.png"):
        Image.fromarray(PICTURE).save(tmp_path / name)
    sources, _ = list_sources([str(tmp_path / "*.png"), Image.fromarray(PICTURE), PICTURE])
    assert [source.name for source in sources][2:] == ["input[1]", "input[2]"]
    assert [source.read().shape for source in sources] == [(4, 6, 3)] * 4
    assert np.array_equal(sources[3].read(), PICTURE[..., ::-1])


def test_videos_are_frames(tmp_path):
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    for level in (20, 120, 220):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    sources, _ = list_sources(path)
    assert [source.name for source in sources] == [f"{path}#{number}" for number in range(3)]
    for number in (0, 1, 2, 0):  # forwards, and back
        assert abs(int(sources[number].read().mean()) - (20, 120, 220)[number]) <= 3


def test_what_cannot_be_read_is_one_line(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        tmp_path / "cut.jpg"
    )
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:900])
    (tmp_path / "text.png").write_text("no image")
    for name in ("cut.jpg", "text.png"):
        with pytest.raises(ValueError, match=name) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    for wrong, error in (
        (tmp_path / "none.png", FileNotFoundError),
        (str(tmp_path / "*.gif"), FileNotFoundError),
        ("https://somewhere/cat.jpg", ValueError),
        (3, TypeError),
    ):
        with pytest.raises(error):
            list_sources(wrong)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        list_sources(tmp_path / "empty")
