"""TwoPassClassifier: one view ranks, the other localizes, against a plain loop over both."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import make_record
from wsol_mm.functional.context_pool import standardize_maps
from wsol_mm.models.classifiers import TwoPassClassifier, WSOLClassifier

CONFIG = Path(__file__).resolve().parents[3] / "configs/ci_cam/resnet18_toy.py"
SHORT, SIDE, CLASSES = 110, 96, 6
HEIGHT, WIDTH = 120, 150
PIPELINE = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.RankingView", short_side=SHORT, crop_size=SIDE),
    dict(type="wsol_mm.Resize", scale=(SIDE, SIDE)),
    dict(type="wsol_mm.PackWSOLInputs"),
]


def build(kind="TwoPassClassifier", **head):
    cfg = Config.fromfile(CONFIG)
    cfg.model.type = f"wsol_mm.{kind}"
    cfg.model.head.update(head)
    cfg.model.data_preprocessor = cfg.data_preprocessor
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg.model)
    model.init_weights()
    torch.manual_seed(6)  # whose classifier ranks both views of both images differently
    torch.nn.init.normal_(model.head.fc.weight)
    pool = model.head.context_pool
    torch.nn.init.normal_(pool.projection.weight)
    pool.contexts.copy_(standardize_maps(torch.randn(CLASSES, 12, 12)))
    return model.eval()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two image files with coarse contents, which a crop changes."""
    folder = tmp_path_factory.mktemp("images")
    files = []
    for number in range(2):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        files.append(str(folder / f"{number}.png"))
        cv2.imwrite(files[-1], cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))
    return files


@pytest.fixture
def data(images):
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        pipeline = Compose(PIPELINE)
    packed = [
        pipeline(
            {
                "img_path": path,
                "img_id": Path(path).name,
                "gt_label": label,
                "instances": [{"bbox": [20, 30, 90, 100]}],
            }
        )
        for path, label in zip(images, (4, 1), strict=True)
    ]
    return {key: [each[key] for each in packed] for key in ("inputs", "data_samples")}


def normalized(picture, model):
    """What the network sees of a BGR image."""
    picture = torch.tensor(picture[..., ::-1].copy()).permute(2, 0, 1).float()[None]
    mean, std = (getattr(model.data_preprocessor, key).view(1, 3, 1, 1) for key in ("mean", "std"))
    return (picture - mean) / std


def second_branch(model, inputs):
    """X^e and z^e, by the one-hot convolution."""
    head = model.head
    features = model.extract_feat(inputs)[-1]
    label = head.fc(features.mean(dim=(2, 3))).argmax(dim=1)
    one_hot = torch.zeros(1, CLASSES, *features.shape[2:])
    one_hot[0, label] = head.context_pool.contexts[label]
    features = features * (1 + head.context_pool.projection(one_hot))
    return features[0], head.fc(features.mean(dim=(2, 3)))[0]


def by_hand(model, path, label):
    """Scores of the crop, and the squashed image's map with ``label`` first, if there is one."""
    picture = cv2.imread(path)
    scale = SHORT / HEIGHT
    resized = cv2.resize(picture, (round(WIDTH * scale), SHORT))
    y, x = (SHORT - SIDE) // 2, (resized.shape[1] - SIDE) // 2
    crop = resized[y : y + SIDE, x : x + SIDE]
    _, scores = second_branch(model, normalized(crop, model))
    squashed = cv2.resize(picture, (SIDE, SIDE))
    features, own_scores = second_branch(model, normalized(squashed, model))
    order = scores.argsort(descending=True).tolist()
    own_order = own_scores.argsort(descending=True).tolist()
    if label is not None:
        order = [label, *(other for other in order if other != label)]
    total = torch.zeros(features.shape[1:])
    for rank, other in enumerate(order):
        gamma = -((rank / (CLASSES - 1)) ** 2)
        total += gamma * torch.einsum("c,chw->hw", model.head.fc.weight[other], features)
    return scores, total - total.min(), order != own_order


@torch.no_grad()
@pytest.mark.parametrize("ranks", ["predicted", "label"])
def test_the_crop_ranks_and_the_squashed_image_localizes(images, data, ranks):
    model = build(ranks=ranks)
    samples = model.test_step(data)
    differ = []
    for sample, path in zip(samples, images, strict=True):
        for label, found in zip(sample.map_labels.tolist(), sample.pred_maps, strict=True):
            own = label if ranks == "label" else None
            scores, expected, differs = by_hand(model, path, own)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
            differ.append(differs)
        torch.testing.assert_close(sample.pred_score, scores.softmax(dim=0), rtol=1e-4, atol=1e-5)
        assert sample.map_labels[0] == sample.gt_label
        assert sample.ranking == "second_view"
        assert "ranking_view" not in sample
    assert any(differ)  # one pass would have ranked otherwise


@torch.no_grad()
def test_the_protocol_and_the_samples_must_agree(data, images):
    model = build()
    protocol = get_protocol("ci_cam_two_pass")
    assert not protocol.comparable
    assert "NOT COMPARABLE" in protocol.note
    sample = model.test_step(data)[0].to_dict()
    with pytest.raises(ValueError, match=r"0\.png: classes were ranked on the second_view"):
        make_record(sample, get_protocol("ci_cam"))
    record = make_record(sample, protocol)
    assert record.map_scope == "image"
    # the same box as that of the map made by hand, in the one-pass protocol
    plain = {key: value for key, value in sample.items() if key != "ranking"}
    plain["pred_maps"] = by_hand(model, images[0], None)[1][None]
    plain["map_labels"] = np.array([-1])
    expected = make_record(plain, get_protocol("ci_cam")).box_iou
    np.testing.assert_allclose(record.box_iou, expected, atol=1e-9)
    with pytest.raises(ValueError, match=r"same_view, protocol 'ci_cam_two_pass' says second_view"):
        make_record(plain, protocol)
    other = get_protocol({"name": "wsolevaluation", "ranking": "second_view"})
    assert make_record(sample, other).curve_largest is not None


@torch.no_grad()
def test_without_the_view_it_is_the_parent(data):
    for sample in data["data_samples"]:
        sample.pop("ranking_view")
    one, two = build("WSOLClassifier"), build()
    assert isinstance(two, WSOLClassifier)
    two.load_state_dict(one.state_dict())
    for ours, theirs in zip(two.test_step(data), one.test_step(data), strict=True):
        assert torch.equal(ours.pred_maps, theirs.pred_maps)
        assert torch.equal(ours.pred_score, theirs.pred_score)
        assert "ranking" not in ours
    inputs = torch.rand(2, 3, SIDE, SIDE)
    labels = [DataSample().set_gt_label(label) for label in (0, 1)]
    losses = [model.train()(inputs, labels, mode="loss") for model in (one, two)]
    assert losses[0]["loss"] == losses[1]["loss"]


def test_a_head_that_ranks_nothing_is_refused():
    with pytest.raises(ValueError, match=r"model\.head is a CAMHead, expected"):
        TwoPassClassifier(
            backbone=dict(type="mmpretrain.ResNet", depth=18),
            head=dict(type="wsol_mm.CAMHead", num_classes=3, in_channels=512),
        )
