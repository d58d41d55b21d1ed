"""WSOLTTAModel against maps of each view, mirrored and resized by OpenCV."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from wsol_mm.apis.test_time_augmentation import tta_pipeline
from wsol_mm.evaluation import WSOLMetric
from wsol_mm.models.classifiers import WSOLTTAModel

CONFIG = Path(__file__).resolve().parents[3] / "configs/cam/resnet18_toy.py"
SIDE = 96
STEPS = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(SIDE, SIDE)),
    dict(type="wsol_mm.PackWSOLInputs"),
]


@pytest.fixture(scope="module")
def model():
    cfg = Config.fromfile(CONFIG)
    cfg.model.data_preprocessor = cfg.data_preprocessor
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        built = MODELS.build(cfg.model)
    built.init_weights()
    torch.nn.init.normal_(built.head.fc.weight)
    return built.eval()


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """Two images of different aspects."""
    found = []
    for number, shape in enumerate([(120, 150, 3), (130, 90, 3)]):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 7, 3), np.uint8)
        path = str(tmp_path_factory.mktemp("images") / f"{number}.png")
        cv2.imwrite(path, cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_NEAREST))
        boxes = [{"bbox": [20, 30, 80, 90]}]
        found.append(dict(img_path=path, img_id=f"{number}.png", gt_label=2, instances=boxes))
    return found


def predict(model, items, steps):
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        pipeline = Compose(steps)
        batch = default_collate([pipeline(dict(item)) for item in items])
    with torch.no_grad():
        return model.test_step(batch)


def test_maps_and_scores_are_means_over_views_in_the_first_ones_frame(model, items):
    merged = predict(WSOLTTAModel(model), items, tta_pipeline(STEPS, (1, 1.5)))
    views = []
    for scale in (1, 1.5):
        for prob in (0.0, 1.0):
            side = round(SIDE * scale)
            resize = dict(type="wsol_mm.Resize", scale=(side, side))
            flip = dict(type="wsol_mm.RandomFlip", prob=prob)
            views.append((prob, predict(model, items, [STEPS[0], resize, flip, STEPS[2]])))
    for number, sample in enumerate(merged):
        scores = torch.stack([samples[number].pred_score for _, samples in views])
        torch.testing.assert_close(sample.pred_score, scores.mean(0))
        assert sample.pred_label.item() == scores.mean(0).argmax().item()
        assert sample.map_labels[0] == 2
        expected = []
        for prob, samples in views:
            raw = samples[number].pred_maps[0].double().numpy()
            raw = raw[:, ::-1].copy() if prob else raw
            expected.append(cv2.resize(raw, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
        found = sample.pred_maps[0].numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.mean(expected, 0), atol=1e-4 * np.ptp(found))
        assert sample.img_shape == (SIDE, SIDE)
        assert np.linalg.det(sample.homography_matrix) > 0


def test_one_view_gives_the_numbers_of_no_augmentation(model, items):
    once = [STEPS[0], dict(type="TestTimeAug", transforms=[[step] for step in STEPS[1:]])]
    numbers = []
    for samples in (predict(WSOLTTAModel(model), items, once), predict(model, items, STEPS)):
        metric = WSOLMetric(bootstrap=10)
        metric.process(None, [sample.to_dict() for sample in samples])
        numbers.append(metric.evaluate(len(items)))
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-6)


def test_without_a_label_the_class_of_the_mean_score_comes_first(model, items):
    unlabelled = [{key: item[key] for key in ("img_path", "img_id")} for item in items]
    for sample in predict(WSOLTTAModel(model), unlabelled, tta_pipeline(STEPS, (1,))):
        assert sample.map_labels[0] == sample.pred_score.argmax()


class Fixed(torch.nn.Module):
    """Says the same of every view."""

    def __init__(self, sample):
        super().__init__()
        self.sample = sample

    def test_step(self, data):
        return [self.sample.clone()]


def fixed(**fields):
    meta = dict(img_shape=(4, 4), homography_matrix=np.eye(3))
    sample = DataSample(metainfo=meta).set_pred_score(torch.tensor([0.3, 0.7]))
    for key, value in fields.items():
        sample.set_field(value, key)
    return WSOLTTAModel(Fixed(sample)).val_step({"inputs": [1, 1]})[0]


def test_a_map_of_no_class_stays_one_and_a_seed_map_goes():
    sample = fixed(
        pred_maps=torch.eye(2)[None],
        map_labels=torch.tensor([-1]),
        gt_label=torch.tensor([1]),
        seed_map=torch.eye(2),
    )
    assert sample.map_labels.tolist() == [-1]
    assert sample.pred_maps.shape == (1, 4, 4)
    assert "seed_map" not in sample


def test_a_model_without_maps_is_refused():
    with pytest.raises(ValueError, match=r"the model gives none: detectors take\s+tta_model"):
        fixed()
