"""Pictures of the method pages: all there, small, and drawn from what the network gives."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from studies import method_pictures
from wsol_mm import Localizer
from wsol_mm.visualization.drawing import PREDICTION

DOCS = Path(__file__).resolve().parents[2] / "docs"
CAPTIONS = json.loads((DOCS / "methods/captions.json").read_text())


@pytest.fixture(scope="module")
def localizer():
    return Localizer(show_progress=False)


def test_pictures_and_captions_are_the_drawings(localizer):
    drawn = {f"methods/{name}.jpg" for name in method_pictures.drawings(localizer)}
    assert drawn == set(CAPTIONS)
    assert drawn == {f"methods/{path.name}" for path in (DOCS / "methods").glob("*.jpg")}
    for name in (*drawn, "thresholds.jpg", "localize.jpg"):
        assert (DOCS / name).stat().st_size < 60_000, name


@pytest.mark.slow
def test_every_drawing_fills_its_columns(localizer):
    coffee = method_pictures.scene(localizer, skimage.data.coffee())
    for name, drawing in method_pictures.drawings(localizer).items():
        pictures = drawing.draw(coffee)
        assert [picture.shape for picture in pictures] == [(224, 224, 3)] * len(drawing.titles), (
            name
        )
        assert not np.array_equal(pictures[0], pictures[-1]), name


def test_a_box_is_drawn_around_the_cup(localizer):
    coffee = method_pictures.scene(localizer, skimage.data.coffee())
    size = (method_pictures.SIDE, method_pictures.SIDE)
    ((x0, y0, x1, y1),) = method_pictures.RULE.apply(coffee.cam(), size)
    assert x0 < 90 < 120 < x1
    assert y0 < 40 < 120 < y1
    shown = coffee.over(coffee.cam())
    assert tuple(shown[round(y0), round((x0 + x1) / 2)]) == PREDICTION


def test_pictures_shrink_to_their_limit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    method_pictures.write(tmp_path / "noise.jpg", noise)
    assert (tmp_path / "noise.jpg").stat().st_size < 60_000
    assert cv2.imread(str(tmp_path / "noise.jpg")).shape == noise.shape
