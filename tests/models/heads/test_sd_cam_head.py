"""SD-CAM in the model: who learns from whom, which side of the cut is the object."""

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample

import wsol_mm.models  # noqa: F401
from wsol_mm.functional.sd_cam import distillation_divergence
from wsol_mm.models.heads import SDCAMHead, TappedFeatures, TokenCutHead

GRID, CHANNELS = (4, 6), 8
OBJECT = (slice(1, 3), slice(2, 5))


def features(batch=1, seed=0):
    """The keys part the image in OBJECT and the rest, channel 0 of the tokens tells which."""
    torch.manual_seed(seed)
    count = GRID[0] * GRID[1]
    inside = torch.zeros(GRID, dtype=torch.bool)
    inside[OBJECT] = True
    keys = F.one_hot(inside.long().flatten(), CHANNELS).float()
    qkv = torch.randn(batch, 1 + count, 3 * CHANNELS)
    qkv[:, 1:, CHANNELS : 2 * CHANNELS] = keys
    tokens = torch.randn(batch, 1 + count, CHANNELS)
    tokens[:, 1:, 0] = inside.float().flatten()
    score_map = tokens[:, 1:].mT.reshape(batch, CHANNELS, *GRID)
    return TappedFeatures((score_map,), {"qkv": qkv, "tokens": tokens})


def head(**keys):
    torch.manual_seed(3)
    built = SDCAMHead(num_classes=3, in_channels=CHANNELS, **keys)
    with torch.no_grad():  # class 0 is on the object, class 1 around it, class 2 nowhere
        built.student.weight.zero_()
        built.student.weight[0, 0], built.student.weight[1, 0] = 1, -1
    return built


def samples(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def test_the_class_says_which_side_is_the_object():
    (found,) = head(num_maps=3).predict(features(), samples(1))
    assert found.map_labels[0] == 1
    assert sorted(found.map_labels.tolist()) == [0, 1, 2]
    maps = dict(zip(found.map_labels.tolist(), found.pred_maps, strict=True))
    inside = torch.zeros(GRID, dtype=torch.bool)
    inside[OBJECT] = True
    assert torch.equal(maps[0] > maps[0].mean(), inside)
    assert torch.equal(maps[1], -maps[0])
    expected = head().class_maps(features(), torch.tensor([[1]]))[0, 0]
    assert torch.equal(found.seed_map, expected)  # of the first label
    # no seed: as TokenCut has it
    (cut,) = TokenCutHead(3, CHANNELS).localization_maps(features(), torch.tensor([[-1]]))[0]
    assert torch.equal(maps[2], cut)
    assert found.pred_maps.dtype == torch.float32


def test_without_sd_cam_it_is_tokencut():
    built, feats = head(sign="token"), features(2)
    plain = TokenCutHead(3, CHANNELS)
    for ours, theirs in zip(built.predict(feats), plain.predict(feats), strict=True):
        assert ours.map_labels.tolist() == [-1]
        assert torch.equal(ours.pred_maps, theirs.pred_maps)


def test_the_class_map_is_the_students_cam():
    built, feats = head(map_kind="cam"), features(2)
    torch.nn.init.normal_(built.student.weight)
    for number, found in enumerate(built.predict(feats, samples(2, 0))):
        assert found.map_labels[0] == (2, 0)[number]
        assert "seed_map" not in found
        for label, score_map in zip(found.map_labels, found.pred_maps, strict=True):
            expected = torch.einsum("c,chw->hw", built.student.weight[label], feats[-1][number])
            torch.testing.assert_close(score_map, expected)


def test_the_class_is_the_teachers():
    built, feats = head(hidden_channels=16), features(2)
    tokens = feats.taps["tokens"]
    both = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
    first, _, second = built.block
    logits = built.fc(second(F.gelu(first(both))))
    torch.testing.assert_close(built(feats), logits)
    scores = torch.stack([found.pred_score for found in built.predict(feats)])
    torch.testing.assert_close(scores, logits.softmax(1))
    linear = head()
    torch.testing.assert_close(linear(feats), linear.fc(both))


def test_losses_are_equations_4_and_6():
    built, feats = head(hidden_channels=16, alpha=0.3, temperature=3.0), features(2)
    torch.nn.init.normal_(built.student.weight)
    losses = built.loss(feats, samples(2, 1))
    target = torch.tensor([2, 1])
    # convolution, then pooling, as the paper draws its CAM head
    scores = torch.einsum("kc,bchw->bkhw", built.student.weight, feats[-1])
    student = scores.mean(dim=(2, 3)) + built.student.bias
    teacher = built(feats)
    torch.testing.assert_close(losses["loss"], F.cross_entropy(teacher, target))
    torch.testing.assert_close(losses["loss_student"], 0.3 * F.cross_entropy(student, target))
    expected = 0.7 * distillation_divergence(student, teacher, 3.0)
    torch.testing.assert_close(losses["loss_distill"], expected)


def reach(loss, built):
    built.zero_grad()
    loss.backward(retain_graph=True)
    return {
        name.split(".")[0]
        for name, parameter in built.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


def test_the_teacher_learns_from_labels_and_the_student_from_both():
    built, feats = head(hidden_channels=16), features(2)
    losses = built.loss(feats, samples(2, 1))
    assert reach(losses["loss"], built) == {"block", "fc"}
    assert reach(losses["loss_student"], built) == {"student"}
    assert reach(losses["loss_distill"], built) == {"student"}


def test_without_distillation_it_is_not_computed():
    assert set(head(alpha=1.0).loss(features(), samples(0))) == {"loss", "loss_student"}


def test_soft_labels_of_mixed_images_serve_both():
    mixed = [DataSample().set_gt_score(torch.tensor([0.25, 0.75, 0.0]))]
    built, feats = head(), features()
    losses = built.loss(feats, mixed)
    expected = -(mixed[0].gt_score * built(feats).log_softmax(1)).sum()
    torch.testing.assert_close(losses["loss"], expected)


@pytest.mark.parametrize("grid", [(1, 1), (3, 3)])
@pytest.mark.parametrize("map_kind", ["eigenvector", "cam"])
def test_constant_images_do_not_crash(grid, map_kind):
    tokens = torch.ones(1, 1 + grid[0] * grid[1], 3 * CHANNELS)
    score_map = tokens[:, 1:, :8].mT.unflatten(2, grid)
    feats = TappedFeatures((score_map,), {"qkv": tokens, "tokens": tokens[..., :8]})
    (found,) = head(map_kind=map_kind).predict(feats)
    assert found.pred_maps.shape[1:] == grid
    assert found.pred_maps.isfinite().all()


def test_wrong_settings_are_named():
    for keys, message in (
        (dict(sign="seed"), "sign must be one of"),
        (dict(map_kind="mask"), "map_kind must be one of"),
        (dict(alpha=1.5), "alpha in"),
        (dict(temperature=0.0), "temperature > 0"),
        (dict(seed_threshold=1.0), "seed_threshold in"),
        (dict(num_maps=0), "num_maps must be positive, got 3, 0"),
    ):
        with pytest.raises(ValueError, match=message):
            SDCAMHead(3, CHANNELS, **keys)


def test_a_networks_own_classifier_is_teacher_and_student():
    own = torch.nn.Linear(CHANNELS, 3)
    built = SDCAMHead(num_classes=3, in_channels=CHANNELS)
    built.load_state_dict({f"fc.{name}": value for name, value in own.state_dict().items()})
    assert torch.equal(built.student.weight, own.weight)
    assert torch.equal(built.student.bias, own.bias)
    torch.testing.assert_close(built.fc.weight.sum(dim=1), own.weight.sum(dim=1))
    again = SDCAMHead(num_classes=3, in_channels=CHANNELS)
    again.load_state_dict(built.state_dict())  # its own state is taken as it is
    assert torch.equal(again.fc.weight, built.fc.weight)
