"""Localizer with detectors: boxes in the original image, named by a second classifier."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from wsol_mm import Localizer
from wsol_mm.testing.colours import colour_localizer as colours
from wsol_mm.testing.colours import rectangles


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return Localizer("wend_fcos_r18_toy", False, device="cpu", show_progress=False)


def test_boxes_of_a_detector_of_ours(detector):
    pictures = [rectangles((300, 200), red=(30, 40, 150, 120)), rectangles((90, 240))]
    results = detector(pictures)
    assert [result.names for result in results] == [("object",)] * 2
    for result, (width, height) in zip(results, ((300, 200), (90, 240)), strict=True):
        x0, y0, x1, y1 = result.boxes[0]
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert result.map is result.mask is None
        assert (result.threshold, result.threshold_source) == (0.3, "default")
        assert result.plot().size == (width, height)
    (every,) = detector(pictures[0], objects="all", threshold=0.0)
    assert len(every.boxes) > 1
    assert (np.diff(every.scores) <= 0).all()
    cut = float(np.median(every.scores))
    (half,) = detector(pictures[0], objects="all", threshold=cut)
    assert len(half.boxes) == (every.scores >= cut).sum()
    with pytest.raises(ValueError, match="expected a detector's score"):
        detector(pictures[0], threshold="otsu")


def test_a_second_classifier_names_the_boxes(detector):
    named = Localizer(
        "wend_fcos_r18_toy", False, device="cpu", classifier=colours(), show_progress=False
    )
    named.predictor = detector.predictor
    picture = rectangles((300, 200), green=(30, 40, 150, 120), blue=(0, 0, 40, 40))
    (plain,), (result,) = detector(picture), named(picture)
    assert named.classes == ("red", "green", "blue")
    assert result.names == ("green",)
    assert result.boxes.tolist() == plain.boxes.tolist()
    assert result.scores[0] == pytest.approx(plain.scores[0] * result.class_scores[1])
    (two,) = named(picture, topk=2)
    assert two.names == ("green", "blue")
    (asked,) = named(picture, labels=["red", "blue"])
    assert asked.names == ("red", "blue")
    assert asked.boxes[0].tolist() == asked.boxes[1].tolist() == plain.boxes[0].tolist()


def test_boxes_come_back_from_what_the_pipeline_made_of_a_large_photograph(detector, monkeypatch):
    def found(data):
        sample = data["data_samples"][0]
        height, width = sample.ori_shape
        box = torch.tensor([[width / 4, height / 4, width / 2, height / 2]])
        scores, labels = torch.tensor([0.9]), torch.tensor([0])
        sample.pred_instances = InstanceData(bboxes=box, scores=scores, labels=labels)
        return [sample]

    monkeypatch.setattr(detector.model, "test_step", found)
    (result,) = detector(Image.new("RGB", (4000, 2400)))
    assert np.allclose(result.boxes, [[1000, 600, 2000, 1200]], atol=1e-3)
