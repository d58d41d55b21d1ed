"""ACoLHead: both losses, what reaches what, its maps, and its equality with CAMHead at weight 0."""

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample

from wsol_mm.models.heads import ACoLHead, CAMHead

SMALL = {"num_classes": 5, "in_channels": 4, "hidden_channels": (6, 3)}


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def features(batch=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 4, 5, 6, generator=generator)


def make(**kwargs):
    torch.manual_seed(1)
    head = ACoLHead(**{**SMALL, "threshold": 0.6, **kwargs})
    head.init_weights()
    for name, parameter in head.named_parameters():
        if "fc" in name:
            torch.nn.init.normal_(parameter)
    return head


def convolve(branch, x):
    """Class maps (K, h, w) of one image as a fully convolutional network draws them."""
    for layer in (branch.hidden[1].conv, branch.hidden[3].conv):
        x = F.conv2d(x, layer.weight, layer.bias, padding=1).relu()
    return F.conv2d(x[None], branch.fc.weight[:, :, None, None], branch.fc.bias)[0]


def slow(head, x, label):
    """Both heads' class maps, and the features the second one saw, pixel by pixel."""
    first = convolve(head, x)
    own = (first[label] - first[label].min()) / (first[label].max() - first[label].min())
    rest = x.clone()
    for v in range(x.shape[1]):
        for u in range(x.shape[2]):
            if own[v, u] >= head.threshold:
                rest[:, v, u] = 0
    return first, convolve(head.second, rest), own


def slow_losses(head, x, labels):
    losses = torch.zeros(2)
    for image, label in zip(x, labels, strict=True):
        first, second, _ = slow(head, image, label)
        for i, maps in enumerate((first, second)):
            losses[i] -= maps.mean((1, 2)).log_softmax(0)[label].detach() / len(labels)
    return losses.tolist()


def test_losses_equal_a_loop_over_images_and_pixels():
    head, x = make(), features()
    losses = head.loss((x,), labelled(1, 4))
    assert set(losses) == {"loss", "loss_second"}
    expected = slow_losses(head, x, (1, 4))
    assert losses["loss"].item() == pytest.approx(expected[0], rel=1e-5)
    assert losses["loss_second"].item() == pytest.approx(expected[1], rel=1e-5)
    # the mask is that of the image's class
    assert head.loss((x,), labelled(0, 4))["loss_second"] != losses["loss_second"]


def test_weight_scales_the_second_loss_alone():
    single, double = (
        make(second_loss_weight=weight).loss((features(),), labelled(1, 4)) for weight in (1, 2)
    )
    assert double["loss"] == single["loss"]
    assert double["loss_second"] == 2 * single["loss_second"]


def test_gradients_of_the_second_loss_reach_the_features_left_and_not_the_first_head():
    head, x = make(), features().requires_grad_()
    head.loss((x,), labelled(1, 4))["loss_second"].backward()
    reached = {name for name, value in head.named_parameters() if value.grad is not None}
    assert reached == {name for name, _ in head.named_parameters() if name.startswith("second.")}
    for i, label in enumerate((1, 4)):
        erased = slow(head, x[i].detach(), label)[2] >= head.threshold
        assert 0 < erased.sum() < erased.numel()
        assert (x.grad[i][:, erased] == 0).all()
        assert (x.grad[i][:, ~erased] != 0).any()


def test_gradients_of_the_first_loss_reach_the_first_head_only():
    head, x = make(), features().requires_grad_()
    head.loss((x,), labelled(1, 4))["loss"].backward()
    reached = {name for name, value in head.named_parameters() if value.grad is not None}
    assert reached == {n for n, _ in head.named_parameters() if not n.startswith("second.")}
    assert x.grad.abs().sum() > 0


@torch.no_grad()
def test_every_map_erases_with_its_own_class():
    head, x = make().eval(), features()
    samples = head.predict((x,), labelled(1, 4))
    for image, sample, label in zip(x, samples, (1, 4), strict=True):
        assert sample.map_labels[0] == label
        assert sample.pred_maps.dtype == torch.float32
        assert len(sample.map_labels) == 5
        for k, found in zip(sample.map_labels.tolist(), sample.pred_maps, strict=True):
            first, second, own = slow(head, image, k)
            rest = (second[k] - second[k].min()) / (second[k].max() - second[k].min())
            torch.testing.assert_close(found, torch.maximum(own, rest), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sample.pred_score, first.mean((1, 2)).softmax(0))


@torch.no_grad()
def test_the_truth_does_not_change_another_classs_map():
    head, x = make().eval(), features(1)
    found = []
    for label in (0, 3):
        (sample,) = head.predict((x,), labelled(label))
        found.append(dict(zip(sample.map_labels.tolist(), sample.pred_maps, strict=True)))
    (sample,) = head.predict((x,))
    found.append(dict(zip(sample.map_labels.tolist(), sample.pred_maps, strict=True)))
    for k in range(5):
        torch.testing.assert_close(found[0][k], found[1][k])
        torch.testing.assert_close(found[0][k], found[2][k])


@torch.no_grad()
def test_two_classes_and_constant_features_are_safe():
    head = make(num_classes=2)
    x = torch.ones(2, 4, 3, 3)
    for parameter in head.parameters():
        parameter.zero_()  # every map is constant
    losses = head.loss((x,), labelled(0, 1))
    assert all(value.isfinite() for value in losses.values())
    for sample in head.eval().predict((x,), labelled(0, 1)):
        assert sorted(sample.map_labels.tolist()) == [0, 1]
        assert sample.pred_maps.abs().max() == 0


def test_mixed_images_erase_by_the_larger_share():
    head, x = make(), features()
    plain = head.loss((x,), labelled(1, 4))["loss_second"]
    mixed = labelled(0, 4)
    mixed[0].set_gt_score(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))
    mixed[1].set_gt_score(torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(head.loss((x,), mixed)["loss_second"], plain)


def test_weight_zero_is_cam_head_bit_for_bit_with_the_same_draws():
    heads, outcomes = [], []
    for build in (
        lambda: ACoLHead(**SMALL, dropout=0.5, second_loss_weight=0),
        lambda: CAMHead(**SMALL, dropout=0.5, map_bias=True),
    ):
        torch.manual_seed(3)
        head = build()
        head.init_weights()
        losses = head.loss((features(),), labelled(1, 4))
        losses["loss"].backward()
        samples = head.eval().predict((features(),), labelled(1, 4))
        heads.append(head)
        outcomes.append((losses, samples, torch.get_rng_state()))
    (acol, cam), ((left, ours, state), (right, theirs, other)) = heads, outcomes
    assert set(left) == set(right) == {"loss"}
    assert torch.equal(left["loss"], right["loss"])
    assert torch.equal(state, other)
    assert set(acol.state_dict()) == set(cam.state_dict())
    for a, b in zip(acol.parameters(), cam.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.grad, b.grad)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.pred_maps, b.pred_maps)
        assert torch.equal(a.pred_score, b.pred_score)


def test_masks_and_maps_are_float32_under_autocast():
    head, x = make(), features()
    with torch.autocast("cpu", torch.bfloat16):
        losses = head.loss((x,), labelled(1, 4))
        with torch.no_grad():
            sample = head.eval().predict((x,), labelled(1, 4))[0]
    assert sample.pred_maps.dtype == torch.float32
    assert sample.pred_maps.amax((1, 2)).tolist() == [1.0] * 5
    exact = slow_losses(head, x, (1, 4))
    assert losses["loss"].item() == pytest.approx(exact[0], rel=0.05)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1])
def test_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold must lie in \(0, 1\]"):
        make(threshold=threshold)


def test_other_kinds_of_map_and_pooled_features_are_refused():
    with pytest.raises(ValueError, match=r"ACoLHead: map_kind must be one of .*, got 'norm'"):
        make(map_kind="norm")
    with pytest.raises(ValueError, match="neck=None"):
        make()((torch.zeros(2, 4),))


@torch.no_grad()
def test_all_classes_in_one_pass_equal_one_pass_for_each():
    head, x = make().eval(), features()
    labels = torch.tensor([[1, 4, 1, 0], [3, 2, 0, 4]])
    together = head.localization_maps((x,), labels)
    alone = [head.localization_maps((x,), column[:, None]) for column in labels.T]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))
