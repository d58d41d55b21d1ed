"""Images are drawn by the scores of their boxes, the same way in every process and epoch."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import DATA_SAMPLERS

from wsol_mm.datasets import ScoreSampler


class Images:
    """Four images that read a pseudo-box file."""

    def __init__(self, file):
        self.pseudo_boxes = file

    def __len__(self):
        return 4

    def get_data_info(self, index):
        return {"img_id": f"{index}.jpg"}


@pytest.fixture
def images(tmp_path):
    """Best scores .8, .2 and 0; the last image has no box."""

    def write(scores=((0, 0.8), (0, 0.1), (1, 0.2), (2, 0.0))):
        rows = [
            {"id": n, "image_id": image, "category_id": 1, "bbox": [0, 0, 4, 4], "score": score}
            for n, (image, score) in enumerate(scores)
        ]
        content = {"images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(4)]}
        content |= {"annotations": rows, "categories": [{"id": 1, "name": "object"}]}
        (tmp_path / "boxes.json").write_text(json.dumps(content))
        return Images(str(tmp_path / "boxes.json"))

    return write


def shares(sampler, epochs=2000):
    count = Counter()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        count.update(sampler)
    return [count[index] / (4 * epochs) for index in range(4)]


def test_an_image_is_drawn_as_often_as_its_weight_says(images):
    # weights .8, .2, 0 and their mean
    expected = torch.tensor([0.8, 0.2, 0.0, 1 / 3])
    found = shares(ScoreSampler(images(), seed=0))
    assert found == pytest.approx((expected / expected.sum()).tolist(), abs=0.02)
    squared = torch.tensor([0.64, 0.04, 0.0, 0.68 / 3])
    found = shares(ScoreSampler(images(), power=2, seed=0))
    assert found == pytest.approx((squared / squared.sum()).tolist(), abs=0.02)
    assert shares(ScoreSampler(images(), power=0, seed=0)) == pytest.approx([0.25] * 4, abs=0.02)


def test_the_expected_loss_is_the_weighted_sum(images):
    sampler = ScoreSampler(images(), seed=0)
    losses = torch.tensor([1.0, 5.0, 100.0, 2.0])
    weighted = (sampler.weights * losses).sum() / sampler.weights.sum()
    found = sum(share * loss.item() for share, loss in zip(shares(sampler), losses, strict=True))
    assert found == pytest.approx(weighted.item(), rel=0.03)


def test_epochs_differ_and_repeat_and_processes_share_one_draw(images, monkeypatch):
    whole = ScoreSampler(images(), seed=3)
    first = list(whole)
    whole.set_epoch(1)
    second = list(whole)
    whole.set_epoch(0)
    assert list(whole) == first != second
    parts = []
    for rank in range(2):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, 2))
        parts.append(list(ScoreSampler(images(), seed=3)))
    assert [len(part) for part in parts] == [2, 2]
    assert [index for pair in zip(*parts, strict=True) for index in pair] == first


def test_a_config_can_name_it(images):
    built = DATA_SAMPLERS.build(
        dict(type="wsol_mm.ScoreSampler", dataset=images(), power=0.5, seed=0)
    )
    assert len(built) == 4


def test_refusals(images):
    with pytest.raises(ValueError, match=r"annotations\[0\] has score None; make it with tools"):
        ScoreSampler(images([(0, None)]), seed=0)
    with pytest.raises(ValueError, match=r"no image of .* has a score above 0"):
        ScoreSampler(images([(0, 0.0)]), seed=0)
    with pytest.raises(ValueError, match="needs supervision='pseudo_boxes'"):
        ScoreSampler(SimpleNamespace(pseudo_boxes=None), seed=0)
    with pytest.raises(ValueError, match="power=-1"):
        ScoreSampler(images(), power=-1, seed=0)
