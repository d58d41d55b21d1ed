"""CausalContextPool and its controls: what enters, what is used, where the projection starts."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample

from wsol_mm.functional.context_pool import centre_prior, standardize_maps
from wsol_mm.registry import MODELS

CLASSES, CHANNELS, SIDE = 5, 4, 6
FIXED = ("Zero", "Gaussian", "Oracle")


def build(name="Causal", **settings):
    torch.manual_seed(1)
    kind = {"type": f"wsol_mm.{name}ContextPool", "num_classes": CLASSES, "channels": CHANNELS}
    return MODELS.build({**kind, "size": SIDE, **settings})


def filled(name="Causal", **settings):
    pool = build(name, **settings)
    pool.contexts.copy_(standardize_maps(torch.randn(pool.contexts.shape)))
    return pool


def attention(pool, *labels):
    """What features are multiplied by, less one."""
    return pool(torch.ones(len(labels), CHANNELS, SIDE, SIDE), torch.eye(CLASSES)[list(labels)]) - 1


def of(pool, label, context):
    """The attention that a class's column of the projection makes of a map."""
    column = pool.projection.weight[:, label, 0, 0]
    return column[:, None, None] * context + pool.projection.bias[:, None, None]


def test_the_predicted_classes_own_context():
    pool = filled()
    for label, found in zip((4, 0, 2), attention(pool, 4, 0, 2), strict=True):
        torch.testing.assert_close(found, of(pool, label, pool.contexts[label]))


def test_zero_leaves_the_bias_and_gaussian_is_a_bump_in_the_middle():
    zero, gaussian = build("Zero"), build("Gaussian")
    torch.testing.assert_close(attention(zero, 3)[0], of(zero, 3, torch.zeros(SIDE, SIDE)))
    torch.testing.assert_close(
        attention(gaussian, 3)[0], of(gaussian, 3, centre_prior((SIDE, SIDE)))
    )
    for pool in (zero, gaussian):
        before = pool.contexts.clone()
        pool.update(torch.rand(2, SIDE, SIDE), torch.tensor([0, 1]), torch.tensor([0, 1]))
        assert torch.equal(pool.contexts, before)


def test_shuffled_gives_every_class_the_context_of_another():
    pool = filled("Shuffled")
    assert sorted(pool.owner.tolist()) == list(range(CLASSES))
    assert (pool.owner != torch.arange(CLASSES)).all()
    other = pool.contexts[pool.owner[4]]
    torch.testing.assert_close(attention(pool, 4)[0], of(pool, 4, other))
    assert "owner" in pool.state_dict()


def boxed(label, box, flipped=False):
    matrix = np.array([[-1.0, 0, 12], [0, 1, 0], [0, 0, 1]]) if flipped else np.eye(3)
    sample = DataSample(metainfo={"img_shape": (12, 12), "homography_matrix": matrix})
    sample.gt_instances = InstanceData(bboxes=np.array([box], float))
    return sample.set_gt_label(label)


def test_oracle_contexts_are_the_mean_masks_of_true_boxes():
    pool = build("Oracle")
    batches = [
        [boxed(2, (0, 0, 4, 12)), boxed(0, (0, 0, 12, 6))],
        [boxed(2, (2, 0, 12, 12), flipped=True)],
    ]
    pool.fill(batches)
    columns = torch.tensor([2.0, 2, 1, 1, 1, 0])  # the left third, and all but the right sixth
    torch.testing.assert_close(pool.contexts[2], standardize_maps(columns.expand(SIDE, SIDE)))
    top = torch.zeros(SIDE, SIDE)
    top[:3] = 1
    torch.testing.assert_close(pool.contexts[0], standardize_maps(top))
    assert not pool.contexts[[1, 3, 4]].any()


def test_an_oracle_refuses_to_train_without_boxes():
    pool = build("Oracle")
    with pytest.raises(ValueError, match="OracleContextPool: contexts are empty"):
        pool.update(torch.rand(1, SIDE, SIDE), torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"dataset\.supervision='boxes'"):
        pool.fill([[DataSample().set_gt_label(0)]])


def test_averaged_is_the_convolution_of_all_contexts():
    pool = filled("Averaged")
    bias = pool.projection.bias[:, None, None]
    mean = (pool.projection(pool.contexts[None])[0] - bias) / CLASSES
    torch.testing.assert_close(attention(pool, 1, 3), (mean + bias).expand(2, -1, -1, -1))


@pytest.mark.parametrize("name", ["Causal", "Zero", "Gaussian", "Shuffled", "Averaged", "Oracle"])
def test_gradients_survive_an_update(name):
    """The backward pass sees the contexts that were used, not those that came after."""
    gradients = []
    for moves in (False, True):
        pool = build(name) if name in ("Zero", "Gaussian") else filled(name)
        features = torch.rand(2, CHANNELS, SIDE, SIDE, requires_grad=True)
        with torch.no_grad():
            features.copy_(torch.linspace(0, 1, features.numel()).view_as(features))
        enhanced = pool(features, torch.eye(CLASSES)[[0, 1]])
        if moves:
            before = pool.contexts.clone()
            labels = torch.tensor([0, 1])
            pool.update(torch.rand(2, SIDE, SIDE), labels, labels)
            assert torch.equal(pool.contexts, before) == (name in FIXED)
        enhanced.square().sum().backward()
        gradients.append((pool.projection.weight.grad, features.grad))
    for left, right in zip(*gradients, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("classes", [2, 6, 200, 1000])
def test_the_projection_starts_the_same_for_any_number_of_classes(classes):
    pool = build(num_classes=classes, channels=512)
    bound = 200**-0.5  # the convolution of the released code on CUB
    for parameter in pool.projection.parameters():
        assert 0.95 * bound < parameter.abs().max() <= bound
    assert pool.projection.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    # so that features move as much: a standardised map has the mean square 1
    pool.contexts.copy_(standardize_maps(torch.randn(pool.contexts.shape)))
    features = torch.rand(8, 512, SIDE, SIDE)
    scores = torch.eye(classes)[torch.arange(8) % classes]
    change = (pool(features, scores) - features).norm() / features.norm()
    assert change.item() == pytest.approx((2 / 3) ** 0.5 * bound, rel=0.15)


@pytest.mark.parametrize("update_on", ["correct", "argmax"])
def test_what_enters(update_on):
    pool = build(update_on=update_on, rate=0.5)
    maps = torch.rand(3, SIDE, SIDE)
    pool.update(maps, torch.tensor([0, 0, 2]), torch.tensor([0, 1, 1]))
    right = [maps[:1], maps[:2]][update_on == "argmax"].sum(0)
    expected = standardize_maps(0.5 * standardize_maps(right))
    torch.testing.assert_close(pool.contexts[0], expected)
    assert bool(pool.contexts[2].any()) == (update_on == "argmax")
    assert not pool.contexts[1].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"update_on": "label"}, "context_pool.update_on='label'"),
        ({"update_order": "never"}, "context_pool.update_order='never'"),
        ({"rate": 0.0}, "rate=0.0 must be positive"),
        ({"size": 0}, "size=0 and"),
        ({"update_order": "before"}, "lets labels into the forward pass"),
        ({"update_order": "before", "update_on": "correct"}, "lets labels into the forward pass"),
    ],
)
def test_refuses_what_has_no_meaning(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_labels_reach_no_batch_before_its_update():
    pool = build(update_order="before", update_on="argmax")
    maps, predicted = torch.rand(2, SIDE, SIDE), torch.tensor([0, 1])
    found = []
    for labels in ([0, 1], [3, 4]):
        pool.contexts.zero_()
        pool.update(maps, predicted, torch.tensor(labels))
        found.append(attention(pool, 0, 1))
    assert torch.equal(*found)
