"""CausalExpert: its losses in full view, passes counted, batch norms, pool, gradients, resume."""

import copy

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from wsol_mm.models.classifiers import CausalExpert, WSOLClassifier
from wsol_mm.models.heads import CausalCAMHead

CLASSES, SIDE = 5, 8
KEYS = {
    "backbone": {"type": "ResNet", "depth": 18, "base_channels": 8, "strides": (1, 2, 1, 1)},
    "layers": [
        {"after": "backbone.layer3", "layer": {"type": "wsol_mm.NonLocalBlock", "channels": 32}}
    ],
    "head": {
        "type": "wsol_mm.CausalCAMHead",
        "num_classes": CLASSES,
        "in_channels": 64,
        "context_pool": {"type": "wsol_mm.CausalContextPool", "size": SIDE},
        "combination": {"name": "linear"},
    },
}
FORE = {"loss_fore": {"type": "mmpretrain.CrossEntropyLoss", "loss_weight": 0.7}}
DIFFERENCE = {"loss_difference": {"type": "wsol_mm.DifferenceLoss", "loss_weight": 0.3}}
AREA = {"loss_area": {"type": "wsol_mm.AreaLoss", "loss_weight": 0.2}}
ALL = {**FORE, **DIFFERENCE, **AREA, "threshold": 0.3}
LOGGED = {"enhancement", "map_correlation", "foreground_share"}
MODES = ("running", "joint", "clean", "separate")


def build(cls=CausalExpert, **keys):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = cls(**{**copy.deepcopy(KEYS), **keys})
    model.init_weights()
    torch.nn.init.normal_(model.head.fc.weight, std=0.5)
    torch.nn.init.normal_(model.head.context_pool.contexts)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # mmpretrain starts residual branches at 0
    return model.train()


def batch(count=4):
    images = torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    return images, [DataSample().set_gt_label(index % CLASSES) for index in range(count)]


def targets(samples):
    return torch.cat([sample.gt_label for sample in samples])


def count_passes(monkeypatch, model):
    seen = []
    plain = model.backbone.forward

    def counted(images):
        seen.append(images.detach().clone())
        return plain(images)

    monkeypatch.setattr(model.backbone, "forward", counted)
    return seen


def step(model, data=None, lr=0.05):
    losses = model.loss(*(data or batch()))
    model.zero_grad()
    sum(value for key, value in losses.items() if "loss" in key).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= lr * parameter.grad
    return losses


def test_losses_written_out():
    model = build(**ALL).eval()
    images, samples = batch()
    found = model.loss(images, samples)
    head, labels = model.head, targets(samples)

    features = model.extract_feat(images)[-1]
    z = head.fc(features.mean((2, 3)))
    enhanced = head.context_pool(features, z)
    z_e = head.fc(enhanced.mean((2, 3)))
    maps = []
    for image in range(4):
        ranked = z_e[image].argsort(descending=True)
        one = torch.zeros(SIDE, SIDE)
        for rank, label in enumerate(ranked):
            gamma = 1 - 2 * rank / (CLASSES - 1)
            one = one + gamma * torch.einsum("c,chw->hw", head.fc.weight[label], enhanced[image])
        maps.append(one - one.min())
    maps = torch.stack(maps)
    large = F.interpolate(maps[:, None], (64, 64), mode="bilinear")
    keep = (large > 0.3 * large.amax((2, 3), keepdim=True)).float()
    assert 0.1 < keep.mean() < 0.9
    fore, back = (
        head.fc(model.extract_feat(images * mask)[-1].mean((2, 3))) for mask in (keep, 1 - keep)
    )
    expected = {
        "loss": F.cross_entropy(z_e, labels),
        "loss_first": F.cross_entropy(z, labels),
        "loss_fore": 0.7 * F.cross_entropy(fore, labels),
        "loss_difference": 0.3
        * (F.cross_entropy(fore - back, labels) + F.cross_entropy((z_e + fore - back) / 2, labels)),
        "loss_area": 0.2 * maps.mean(),
        "foreground_share": keep.mean(),
    }
    assert set(found) == set(expected) | LOGGED
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("keys", "passes", "names"),
    [
        ({}, 1, set()),
        ({"loss_difference": {**DIFFERENCE["loss_difference"], "loss_weight": 0.0}}, 1, set()),
        (AREA, 1, {"loss_area"}),
        (FORE, 2, {"loss_fore"}),
        (DIFFERENCE, 3, {"loss_difference"}),
        (ALL, 3, {"loss_fore", "loss_difference", "loss_area"}),
    ],
)
def test_passes_are_made_only_for_losses_that_need_them(keys, passes, names, monkeypatch):
    model = build(**keys)
    seen = count_passes(monkeypatch, model)
    losses = model.loss(*batch())
    assert len(seen) == passes
    assert set(losses) == {"loss", "loss_first"} | names | LOGGED
    images = batch()[0]
    assert torch.equal(seen[0], images)
    for masked in seen[1:]:
        assert ((masked == 0) | (masked == images)).all()
    if passes == 3:
        assert torch.equal(seen[1] + seen[2], images)
    model.eval().predict(images)
    assert len(seen) == passes + 1


def test_without_weights_it_is_the_plain_classifier_bit_for_bit():
    plain, ours = build(WSOLClassifier), build()
    for _ in range(2):
        left, right = step(plain), step(ours)
        assert left.keys() == right.keys() - {"foreground_share"}
    assert plain.state_dict().keys() == ours.state_dict().keys()
    for key, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[key]), key


@pytest.mark.parametrize("keys", [ALL, DIFFERENCE])
def test_the_pool_moves_once_and_as_without_masks(keys, monkeypatch):
    calls = []
    plain = CausalCAMHead.update_pool

    def counted(self, *args):
        calls.append(len(args[0]))
        return plain(self, *args)

    monkeypatch.setattr(CausalCAMHead, "update_pool", counted)
    expert, reference = build(**keys), build(WSOLClassifier)
    before = expert.head.context_pool.contexts.clone()
    expert.loss(*batch())
    assert calls == [4]
    reference.loss(*batch())
    contexts = expert.head.context_pool.contexts
    assert torch.equal(contexts, reference.head.context_pool.contexts)
    assert not torch.equal(contexts, before)


def statistics(model):
    return {
        key: value.clone()
        for key, value in model.state_dict().items()
        if "running_" in key or "num_batches" in key
    }


@pytest.mark.parametrize("mode", ["running", "joint", "clean"])
def test_running_statistics_know_no_masked_images(mode):
    expert, reference = build(**ALL, masked_batch_norm=mode), build(WSOLClassifier)
    expert.loss(*batch())
    reference.loss(*batch())
    for key, value in statistics(reference).items():
        assert torch.equal(value, statistics(expert)[key]), key
    assert all(norm.track_running_stats and norm.training for norm in norms(expert))


def norms(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_separate_batch_norms_are_those_of_three_passes(monkeypatch):
    expert, reference = build(**ALL, masked_batch_norm="separate"), build(WSOLClassifier)
    seen = count_passes(monkeypatch, expert)
    expert.loss(*batch())
    for images in seen:
        reference.extract_feat(images)
    for key, value in statistics(reference).items():
        assert torch.equal(value, statistics(expert)[key]), key


def test_the_passes_of_images_are_the_same_in_all_modes():
    found = [build(**ALL, masked_batch_norm=mode).loss(*batch()) for mode in MODES]
    for losses in found[1:]:
        for key in ("loss", "loss_first", "loss_area", *LOGGED):
            assert torch.equal(losses[key], found[0][key]), key
    clean, separate = found[2:]  # they differ in what they leave behind
    assert all(torch.equal(value, separate[key]) for key, value in clean.items())


def masked(model, *images):
    with torch.no_grad():
        return model.masked_scores(batch(len(images[0]))[0], list(images))


def test_what_normalises_masked_images():
    images = batch()[0]
    fore, back = images.clone(), images.clone()
    fore[..., :32], back[..., 32:] = 0, 0

    def plain(model, inputs):
        return model.head.first_branch(model.extract_feat(inputs))[1].detach()

    running = build()
    expected = [plain(copy.deepcopy(running).eval(), each) for each in (fore, back)]
    for found, wanted in zip(masked(running, fore, back), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    together = plain(build(), torch.cat([images, fore, back]))
    found = masked(build(masked_batch_norm="joint"), fore, back)
    torch.testing.assert_close(torch.cat(found), together[4:])
    for mode in ("clean", "separate"):
        expected = [plain(build(), each) for each in (fore, back)]
        for found, wanted in zip(
            masked(build(masked_batch_norm=mode), fore, back), expected, strict=True
        ):
            torch.testing.assert_close(found, wanted)


def pictures(seed, count=8):
    """Images with something in them: noise of 16 px grains."""
    grains = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(grains, (64, 64), mode="bilinear")


def seasoned(mode):
    """An expert whose running statistics have seen some images."""
    model = build(masked_batch_norm=mode)
    with torch.no_grad():
        for seed in range(30):
            model.extract_feat(pictures(seed))
    return model


def blank_scores(mode, images):
    """Logits of images of which those at 0 and 2 are blank."""
    images = images.clone()
    images[[0, 2]] = 0
    return masked(seasoned(mode), images)[0]


def test_a_blank_image_tells_no_class_whatever_stands_beside_it():
    """Images of two classes leave the same blank background, alone or among bright ones."""
    others = pictures(50, 4), 5 * pictures(51, 4)
    first, second = (blank_scores("running", images) for images in others)
    assert torch.equal(first[0], first[2])
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    # by its own statistics a batch decides what is left of a blank image
    first, second = (blank_scores("clean", images) for images in others)
    assert not torch.allclose(first[0], second[0], atol=0.1)


def test_a_nearly_empty_batch_is_not_whitened():
    """Own statistics make of a faint residue what an object is; running ones leave it faint."""
    images = pictures(50, 4)
    spread = {}
    for mode in ("running", "clean"):
        whole, residue = masked(seasoned(mode), images, 0.01 * images)
        spread[mode] = (residue.std(dim=0).mean() / whole.std(dim=0).mean()).item()
    assert spread["clean"] > 0.5
    assert spread["running"] < 0.05


# What each loss teaches: (backbone, classifier, projection of the pool)
@pytest.mark.parametrize(
    ("key", "keys", "projection"),
    [
        ("loss_fore", FORE, False),
        ("loss_difference", DIFFERENCE, True),
        ("loss_area", AREA, True),
    ],
)
def test_gradients_reach_what_they_should(key, keys, projection):
    model = build(**keys)
    model.loss(*batch())[key].backward()
    reached = {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }
    assert "head.fc.weight" in reached
    assert "backbone.conv1.weight" in reached
    assert ("head.context_pool.projection.weight" in reached) == projection
    assert ("head.fc.bias" in reached) == (key != "loss_area")


def test_both_masked_passes_learn(monkeypatch):
    model = build(**DIFFERENCE)
    leaves = []
    plain = model.backbone.forward

    def follow(images):
        leaves.append(images.detach().clone().requires_grad_())
        return plain(leaves[-1])

    monkeypatch.setattr(model.backbone, "forward", follow)
    model.loss(*batch())["loss_difference"].backward()
    assert len(leaves) == 3
    assert all(leaf.grad.abs().sum() > 0 for leaf in leaves)


def test_labels_do_not_reach_the_masks(monkeypatch):
    images, samples = batch()
    masks = []
    for shift in (0, 1):
        model = build(**ALL)
        seen = count_passes(monkeypatch, model)
        model.loss(images, [DataSample().set_gt_label((s.gt_label + shift) % 5) for s in samples])
        masks.append(seen[1])
    assert torch.equal(*masks)


def boxed_batch(*boxes):
    images, samples = batch(len(boxes))
    for sample, box in zip(samples, boxes, strict=True):
        # of originals of twice the size
        meta = {"img_shape": (64, 64), "homography_matrix": np.diag([0.5, 0.5, 1])}
        sample.set_metainfo(meta)
        sample.gt_instances = InstanceData(bboxes=2 * np.array([box], float))
    return images, samples


def test_true_boxes_stand_in_for_the_own_mask(monkeypatch):
    boxes = [(0, 0, 32, 64), (8, 16, 24, 48)]
    model, own = build(**ALL, masks="true_boxes"), build(**ALL)
    seen = count_passes(monkeypatch, model)
    images, samples = boxed_batch(*boxes)
    losses = model.loss(images, samples)
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        inside = torch.zeros(64, 64)
        inside[y0:y1, x0:x1] = 1
        assert torch.equal(seen[1][index], images[index] * inside)
        assert torch.equal(seen[2][index], images[index] * (1 - inside))
    assert losses["box_share"] == pytest.approx((32 * 64 + 16 * 32) / 64**2 / 2)
    # what the own map would keep is followed all the same
    assert torch.equal(losses["foreground_share"], own.loss(images, samples)["foreground_share"])


def test_true_boxes_must_be_given():
    with pytest.raises(ValueError, match=r"dataset\.supervision='boxes'"):
        build(**ALL, masks="true_boxes").loss(*batch())


def test_threshold_zero_keeps_nearly_everything():
    share = build(**DIFFERENCE, threshold=0.0).loss(*batch())["foreground_share"]
    assert share > 0.97


def test_constant_maps_and_two_images():
    model = build(**ALL)
    torch.nn.init.zeros_(model.head.fc.weight)
    losses = step(model, batch(2))
    assert losses["foreground_share"] == 1
    assert losses["loss_area"] == 0
    assert all(value.isfinite() for value in losses.values())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_mixed_images_have_soft_labels_everywhere():
    model = build(**ALL).eval()
    images, samples = batch()
    hard = model.loss(images, samples)
    for sample in samples:
        sample.set_gt_score(F.one_hot(sample.gt_label, CLASSES)[0].float())
    for key, value in model.loss(images, samples).items():
        torch.testing.assert_close(value, hard[key])


def test_half_precision_outside():
    exact, mixed = build(**ALL), build(**ALL)
    expected = exact.loss(*batch())
    with torch.autocast("cpu", torch.bfloat16):
        losses = mixed.loss(*batch())
    assert losses["loss_area"].dtype == torch.float32
    torch.testing.assert_close(losses["loss"], expected["loss"], rtol=0.1, atol=0.1)
    sum(value for key, value in losses.items() if "loss" in key).backward()
    assert all(p.grad.isfinite().all() for p in mixed.parameters() if p.grad is not None)


def test_resume_is_exact():
    whole, first = build(**ALL), build(**ALL)
    for _ in range(4):
        step(whole, lr=1e-4)
    for _ in range(2):
        step(first, lr=1e-4)
    second = build(**ALL)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(2):
        step(second, lr=1e-4)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"loss_difference": {"type": "wsol_mm.DifferenceLoss", "loss_weight": -1.0}},
            "DifferenceLoss: loss_weight=-1.0: expected 0 or more",
        ),
        (
            {"loss_area": {"type": "wsol_mm.AreaLoss", "loss_weight": float("nan")}},
            "AreaLoss: loss_weight=nan",
        ),
        ({"threshold": 1.0}, r"threshold=1.0: expected a share in \[0, 1\)"),
        ({"masked_batch_norm": "own"}, "masked_batch_norm='own': one of"),
        ({"masks": "true"}, "masks='true': one of"),
        (
            {"head": {"type": "wsol_mm.CAMHead", "num_classes": 5, "in_channels": 64}},
            "model.head is a CAMHead, expected a wsol_mm.CausalCAMHead",
        ),
        (
            {
                "erasing": {
                    "after": "backbone.layer3",
                    "layer": {"type": "wsol_mm.AttentiveDropout"},
                }
            },
            "remove model.erasing",
        ),
    ],
)
def test_refuses_what_has_no_meaning(keys, message):
    with pytest.raises(ValueError, match=message):
        build(**keys)
