"""CAMHead: both prediction paths, its maps, and its equality with a convolutional classifier."""

import pytest
import torch
from mmpretrain.structures import DataSample

from wsol_mm.models.heads import CAMHead


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.fixture
def feats():
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(3, 4, 5, 6, generator=generator),)


@pytest.fixture
def head():
    torch.manual_seed(1)
    head = CAMHead(num_classes=9, in_channels=4)
    head.init_weights()
    torch.nn.init.normal_(head.fc.weight)
    torch.nn.init.normal_(head.fc.bias)
    return head.eval()


def test_logits_are_the_maps_mean_plus_the_bias(head, feats):
    logits = head(feats)
    assert logits.shape == (3, 9)
    maps = torch.einsum("kc,bchw->bkhw", head.fc.weight, feats[0])
    torch.testing.assert_close(logits, maps.mean((2, 3)) + head.fc.bias)


def test_loss_is_cross_entropy_and_trains_the_layer(head, feats):
    losses = head.loss(feats, labelled(0, 3, 8))
    assert set(losses) == {"loss"}
    expected = torch.nn.functional.cross_entropy(head(feats), torch.tensor([0, 3, 8]))
    torch.testing.assert_close(losses["loss"], expected)
    losses["loss"].backward()
    assert head.fc.weight.grad.abs().sum() > 0


def test_training_accuracy_is_logged_on_request(feats):
    head = CAMHead(num_classes=9, in_channels=4, topk=(1, 5), cal_acc=True)
    losses = head.loss(feats, labelled(0, 3, 8))
    assert set(losses) == {"loss", "accuracy_top-1", "accuracy_top-5"}


def check(head, feats, i, sample, expected_labels):
    assert sample.map_labels.dtype == torch.int64
    assert sample.map_labels.tolist() == expected_labels
    assert sample.pred_maps.dtype == torch.float32
    expected = torch.einsum("kc,chw->khw", head.fc.weight[expected_labels], feats[0][i])
    torch.testing.assert_close(sample.pred_maps, expected)
    torch.testing.assert_close(sample.pred_score, head(feats)[i].softmax(0))
    assert sample.pred_label.item() == sample.pred_score.argmax().item()


@torch.no_grad()
def test_with_a_label_its_map_comes_first_and_no_class_comes_twice(head, feats):
    order = head(feats).argsort(dim=1, descending=True).tolist()
    # best class, a class inside the top five, a class outside
    truth = [order[0][0], order[1][3], order[2][8]]
    samples = labelled(*truth)
    assert head.predict(feats, samples) == samples
    check(head, feats, 0, samples[0], order[0][:5])
    others = [label for label in order[1][:5] if label != truth[1]]
    check(head, feats, 1, samples[1], [truth[1], *others])
    check(head, feats, 2, samples[2], [truth[2], *order[2][:5]])


@torch.no_grad()
@pytest.mark.parametrize("given", [None, [None] * 3, "empty"])
def test_without_labels_the_maps_are_those_of_the_best_classes(head, feats, given):
    data_samples = [DataSample() for _ in range(3)] if given == "empty" else given
    order = head(feats).argsort(dim=1, descending=True).tolist()
    for i, sample in enumerate(head.predict(feats, data_samples)):
        check(head, feats, i, sample, order[i][:5])


@torch.no_grad()
def test_fewer_classes_than_maps(feats):
    head = CAMHead(num_classes=2, in_channels=4).eval()
    (first, *_) = head.predict(feats, labelled(1, 0, 1))
    assert sorted(first.map_labels.tolist()) == [0, 1]
    assert first.map_labels[0] == 1


@torch.no_grad()
def test_maps_stay_in_float32_under_autocast(head, feats):
    exact = head.predict(feats, labelled(0, 1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = head.predict(feats, labelled(0, 1, 2))
    for left, right in zip(exact, rounded, strict=True):
        assert right.pred_maps.dtype == right.pred_score.dtype == torch.float32
        torch.testing.assert_close(left.pred_maps[0], right.pred_maps[0])


@torch.no_grad()
def test_hidden_layers_and_bias_equal_a_convolutional_classifier(feats):
    torch.manual_seed(0)
    head = CAMHead(
        num_classes=3, in_channels=4, hidden_channels=(6, 5), dropout=0.5, map_bias=True
    ).eval()
    first, second = head.hidden[1].conv, head.hidden[3].conv
    class_maps = torch.nn.functional.conv2d(
        second(first(feats[0]).relu()).relu(), head.fc.weight[:, :, None, None], head.fc.bias
    )
    torch.testing.assert_close(head(feats), class_maps.mean((2, 3)))
    for i, sample in enumerate(head.predict(feats)):
        torch.testing.assert_close(sample.pred_maps, class_maps[i, sample.map_labels])


def test_dropout_acts_in_training_only(feats):
    head = CAMHead(num_classes=3, in_channels=4, dropout=0.5)
    assert not torch.equal(head(feats), head(feats))
    head.eval()
    assert torch.equal(head(feats), head(feats))


def test_layers_carry_the_names_of_mmpretrains_linear_head():
    assert set(CAMHead(num_classes=3, in_channels=4).state_dict()) == {"fc.weight", "fc.bias"}


def test_initial_weights_follow_the_reference():
    torch.manual_seed(0)
    head = CAMHead(num_classes=200, in_channels=64, hidden_channels=(64,))
    head.init_weights()
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert head.fc.bias.abs().max() == 0
    assert head.hidden[1].conv.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.05)


def test_pooled_features_are_refused_with_the_fix(head):
    with pytest.raises(ValueError, match="neck=None"):
        head((torch.zeros(2, 4),))


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="positive"):
        CAMHead(num_classes=0, in_channels=4)
