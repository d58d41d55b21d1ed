"""The gallery: the first image of each class, its map and box; what is not trained is said."""

import cv2
import numpy as np

from studies.photographs import gallery


def test_every_class_has_a_line_and_what_is_not_trained_is_said(bench, tmp_path, capsys):
    out = tmp_path / "docs/gallery.jpg"
    drawn = gallery.draw_gallery(bench, bench.rows, out, root=tmp_path, kept=tmp_path / "kept")
    assert drawn == 1
    assert "left out: BridgeGap" in capsys.readouterr().out
    classes = len(gallery.first_of_each_class(bench.trial(bench.rows[0], 0, tmp_path / "data")))
    picture = cv2.imread(str(out))
    step = gallery.SIDE + 6
    assert picture.shape == (24 + classes * step, 2 * step + 6, 3)
    image, overlay = picture[30:150, 10:130], picture[30:150, 10 + step : 130 + step]
    assert np.abs(image.astype(int) - overlay).mean() > 10  # a map lies over it
    strip = cv2.imread(str(out.with_name("gallery_cam.jpg")))
    assert strip.shape == (24 + step, classes * step + 6, 3)


def test_nothing_trained_draws_nothing(bench, tmp_path):
    out = tmp_path / "docs/gallery.jpg"
    rows = bench.rows[1:]
    assert gallery.draw_gallery(bench, rows, out, root=tmp_path, kept=tmp_path / "kept") == 0
    assert not out.exists()


def test_images_are_the_first_of_each_class(bench, tmp_path):
    found = gallery.first_of_each_class(bench.trial(bench.rows[0], 0, tmp_path / "data"))
    labels = [info["gt_label"] for info in found]
    assert labels == sorted(set(labels))
    assert len(labels) == 6
    assert all(gallery.true_boxes(info).shape == (1, 4) for info in found)
