"""WSOLClassifier: layers inside, taps, and the erased branch against two passes in full view."""

import copy
import pickle

import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.structures import DataSample
from torch import nn

from wsol_mm.models.classifiers import WSOLClassifier
from wsol_mm.models.classifiers.followers import Tap
from wsol_mm.registry import MODELS

BACKBONE = {"type": "ResNet", "depth": 18, "base_channels": 8}
HEAD = {"type": "wsol_mm.CAMHead", "num_classes": 3, "in_channels": 64}
IMAGES = 4


@MODELS.register_module()
class Scaled(nn.Module):
    """A layer with a parameter: every feature times a number."""

    def __init__(self, factor=0.5):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor


@MODELS.register_module()
class HalfErased(nn.Module):
    """Erases the left half; no chance, no parameter."""

    def forward(self, x):
        return torch.cat([torch.zeros_like(x[..., :1]), x[..., 1:]], dim=-1)


SCALED = {"type": "wsol_mm.Scaled"}
HALF = {"type": "wsol_mm.HalfErased"}


def build(cls=WSOLClassifier, *, seed=0, head=HEAD, backbone=BACKBONE, **keys):
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = cls(backbone=dict(backbone), head=dict(head), **keys)
        model.init_weights()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # mmpretrain starts residual branches at 0
    return model.train()


def batch(count=IMAGES):
    generator = torch.Generator().manual_seed(5)
    labels = [index % 3 for index in range(count)]
    images = torch.randn(count, 3, 64, 64, generator=generator)
    return images, [DataSample().set_gt_label(label) for label in labels]


def stem(backbone, x):
    """The backbone up to `layer4.0`."""
    x = backbone.maxpool(backbone.relu(backbone.norm1(backbone.conv1(x))))
    return backbone.layer4[0](backbone.layer3(backbone.layer2(backbone.layer1(x))))


def erasing(**keys):
    return {"after": "backbone.layer4.0", "layer": HALF, "loss_weight": 2.0, **keys}


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key


# --- nothing set ---------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [{}, {"erasing": erasing(loss_weight=0)}])
def test_without_its_keys_or_weight_it_is_the_plain_classifier_bit_for_bit(keys):
    plain, ours = build(ImageClassifier), build(**keys)
    for model in (plain, ours):
        torch.manual_seed(9)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            losses = model.loss(*batch())
            assert set(losses) == {"loss"}
            optimizer.zero_grad()
            losses["loss"].backward()
            optimizer.step()
        model.drawn = torch.get_rng_state()
    assert_same(plain.state_dict(), ours.state_dict())
    assert torch.equal(plain.drawn, ours.drawn)


def test_weight_zero_does_not_run_the_erasing_layer(monkeypatch):
    def never(self, x):
        raise AssertionError("the erasing layer ran")

    model = build(erasing=erasing(loss_weight=0))
    monkeypatch.setattr(HalfErased, "forward", never)
    model.loss(*batch())


# --- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_a_layers_output_replaces_the_modules_in_list_order(training):
    after = "backbone.layer4.0"
    entries = [{"after": after, "layer": SCALED}, {"after": after, "layer": HALF}]
    model = build(layers=entries).train(training)
    seen = {}
    backbone = model.backbone
    backbone.layer4[1].register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    images, _ = batch()
    with torch.no_grad():
        (feature,) = model.extract_feat(images)
        hooks, backbone.layer4[0]._forward_hooks = backbone.layer4[0]._forward_hooks, {}
        expected = HalfErased()(stem(backbone, images) * 0.5)
        backbone.layer4[0]._forward_hooks = hooks
        torch.testing.assert_close(seen["x"], expected)
        torch.testing.assert_close(feature, backbone.layer4[1](expected))


def test_a_layer_can_stand_in_the_head():
    model = build(layers=[{"after": "head.fc", "layer": {**SCALED, "factor": 3.0}}]).eval()
    images, _ = batch()
    logits = model(images)
    pooled = model.extract_feat(images)[-1].mean((2, 3))
    torch.testing.assert_close(logits, 3 * (pooled @ model.head.fc.weight.T + model.head.fc.bias))


def test_a_layers_parameters_train_and_are_named_by_their_place():
    model = build(layers=[{"after": "backbone.layer3", "layer": SCALED}])
    plain = build(ImageClassifier)
    assert set(model.state_dict()) - set(plain.state_dict()) == {"layers.0.layer.factor"}
    assert set(plain.state_dict()) <= set(model.state_dict())
    model.loss(*batch())["loss"].backward()
    assert model.layers[0].layer.factor.grad.abs() > 0


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_uses_its_own_layer(duplicate):
    model = build(layers=[{"after": "backbone.layer4", "layer": SCALED}]).eval()
    twin = duplicate(model)
    twin.layers[0].layer.factor.data.fill_(0.0)
    images, _ = batch(1)
    with torch.no_grad():
        assert twin.extract_feat(images)[-1].abs().max() == 0
        assert model.extract_feat(images)[-1].abs().max() > 0


# --- taps ----------------------------------------------------------------------------------------


def test_taps_are_named_and_see_inserted_layers():
    taps = {"late": "backbone.layer3.0", "more": ["backbone.layer1", "backbone.layer2"]}
    model = build(taps=taps, layers=[{"after": taps["late"], "layer": HALF}]).eval()
    images, _ = batch()
    with torch.no_grad():
        feats = model.extract_feat(images)
        backbone = model.backbone
        x = backbone.maxpool(backbone.relu(backbone.norm1(backbone.conv1(images))))
        first = backbone.layer1(x)
        second = backbone.layer2(first)
        third = backbone.layer3[0](second)  # the hook of `layers` acts here
        assert third[..., 0].abs().max() == 0
        torch.testing.assert_close(feats.taps["late"], third)
        torch.testing.assert_close(feats.taps["more"], (first, second))
        torch.testing.assert_close(tuple(feats), (backbone.layer4(backbone.layer3[1](third)),))
        assert model.extract_feat(images, stage="backbone").taps.keys() == taps.keys()
        assert torch.equal(model.extract_feat(images, stage="pre_logits"), feats[0])
        model.backbone(images)
    held = [module.output for module in model.modules() if isinstance(module, Tap)]
    assert held == [None] * 3  # nothing is kept


def test_the_head_gets_the_taps_of_the_clean_half():
    taps = {"early": "backbone.layer1", "two": ["backbone.layer4.0", "backbone.layer4.1"]}
    model = build(taps=taps, erasing=erasing())
    seen = []
    head_loss = model.head.loss

    def spy(feats, data_samples):
        seen.append(feats)
        return head_loss(feats, data_samples)

    model.head.loss = spy
    images, samples = batch()
    model.loss(images, samples)
    (feats,) = seen
    (last,) = feats
    first, second = feats.taps["two"]
    assert len(feats.taps["early"]) == IMAGES
    assert torch.equal(second, last)
    torch.testing.assert_close(first, stem(model.backbone, images), rtol=1e-4, atol=1e-4)


# --- the erased branch ---------------------------------------------------------------------------


def explicit(model, mode, loss):
    """Losses of `model` by two passes through what lies behind `layer4.0`."""
    images, samples = batch()
    x = stem(model.backbone, images)
    last = model.backbone.layer4[1]
    if mode == "joint":
        clean, erased = last(torch.cat([x, HalfErased()(x)])).split(len(images))
    else:
        clean = last(x)
        # under `clean` the second pass updates throw-away copies
        buffers = dict(last.named_buffers())
        if mode == "clean":
            buffers = {key: value.clone() for key, value in buffers.items()}
        weights = dict(last.named_parameters())
        erased = torch.func.functional_call(last, {**weights, **buffers}, HalfErased()(x))
    losses = model.head.loss((clean,), samples)
    if loss == "consistency":
        second = (clean - erased).abs().sum() / clean.numel()
    else:
        labels = torch.cat([sample.gt_label for sample in samples])
        second = nn.functional.cross_entropy(model.head((erased,)), labels)
    return {**losses, "loss_erasing": 2.0 * second}


@pytest.mark.parametrize("loss", ["consistency", "classification"])
@pytest.mark.parametrize("mode", ["clean", "separate", "joint"])
def test_one_pass_equals_two(mode, loss):
    ours = build(erasing=erasing(loss=loss, batch_norm=mode))
    theirs = build(ImageClassifier)
    for norm in (ours.backbone.layer4[1].bn1, theirs.backbone.layer4[1].bn1):
        norm.momentum = None  # a cumulative average: its counter must be right, too
    for model, losses_of in ((ours, ours.loss), (theirs, None)):
        for _ in range(2):
            losses = losses_of(*batch()) if losses_of else explicit(theirs, mode, loss)
            model.zero_grad()
            sum(losses.values()).backward()
        model.losses = losses
    assert ours.losses.keys() == theirs.losses.keys() == {"loss", "loss_erasing"}
    for key, value in ours.losses.items():
        torch.testing.assert_close(value, theirs.losses[key])
    for (name, left), right in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad, msg=name, rtol=1e-3, atol=1e-4)
    buffers = dict(theirs.named_buffers())
    for name, value in ours.named_buffers():
        torch.testing.assert_close(value, buffers[name], msg=name)


def test_the_modes_differ_where_they_should():
    tracked = {}
    for mode in ("clean", "separate", "joint"):
        model = build(erasing=erasing(batch_norm=mode))
        losses = model.loss(*batch())
        norm = model.backbone.layer4[1].bn1
        tracked[mode] = (norm.running_mean.clone(), norm.num_batches_tracked.item())
        assert norm.track_running_stats
        assert "forward" not in vars(norm)
        tracked[mode] += (losses["loss_erasing"].item(),)
    plain = build(ImageClassifier)
    plain.loss(*batch())
    assert torch.equal(tracked["clean"][0], plain.backbone.layer4[1].bn1.running_mean)
    assert [tracked[mode][1] for mode in ("clean", "separate", "joint")] == [1, 2, 1]
    assert not torch.allclose(tracked["clean"][0], tracked["separate"][0])
    assert not torch.allclose(tracked["clean"][0], tracked["joint"][0])
    # statistics of each half alone serve both modes
    assert tracked["clean"][2] == tracked["separate"][2]
    assert tracked["clean"][2] != tracked["joint"][2]


@pytest.mark.parametrize("loss", ["consistency", "classification"])
def test_clean_leaves_classification_and_every_buffer_as_without(loss):
    ours, plain = build(erasing=erasing(loss=loss)), build(ImageClassifier)
    losses = [model.loss(*batch())["loss"] for model in (ours, plain)]
    torch.testing.assert_close(losses[0], losses[1])
    buffers = dict(plain.named_buffers())
    for name, value in ours.named_buffers():
        assert torch.equal(value, buffers[name]), name


def test_only_what_lies_behind_sees_the_doubled_batch():
    model = build(erasing=erasing())
    counts = {}
    for name in ("conv1", "layer3", "layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"):

        def note(_, args, name=name):
            counts[name] = len(args[0])

        model.backbone.get_submodule(name).register_forward_pre_hook(note)
    images, samples = batch()
    model.loss(images, samples)
    assert counts == {
        "conv1": IMAGES,
        "layer3": IMAGES,
        "layer4.0.conv2": IMAGES,
        "layer4.1.conv1": 2 * IMAGES,
        "layer4.1.conv2": 2 * IMAGES,
    }
    model.eval()
    with torch.no_grad():
        model.predict(images, samples)
    assert counts["layer4.1.conv1"] == IMAGES


def test_consistency_reaches_both_branches():
    model = build(erasing=erasing(layer=SCALED))
    model.loss(*batch())["loss_erasing"].backward()
    assert model.erasing.layer.factor.grad.abs() > 0
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    assert model.head.fc.weight.grad is None


@pytest.mark.parametrize("loss", ["consistency", "classification"])
def test_batch_norms_of_the_head_follow_the_mode(loss):
    class Normed(type(build().head)):
        def __init__(self, **keys):
            super().__init__(**keys)
            self.norm = nn.BatchNorm2d(64)

        def pre_logits(self, feats):
            return self.norm(super().pre_logits(feats))

    counts = {}
    for mode in ("clean", "separate"):
        model = build(erasing=erasing(loss=loss, batch_norm=mode))
        torch.manual_seed(0)
        model.head = Normed(num_classes=3, in_channels=64)
        model.loss(*batch())
        counts[mode] = model.head.norm.num_batches_tracked.item()
    assert counts == {"clean": 1, "separate": 2}


def test_consistency_compares_the_map_that_the_classifier_reads():
    """F of eq. 9 lies behind the layers of the head."""
    model = build(erasing=erasing(layer=SCALED))
    plain = model.loss(*batch())["loss_erasing"]
    pre_logits = type(model.head).pre_logits
    model.head.pre_logits = lambda feats: 3 * pre_logits(model.head, feats)
    torch.testing.assert_close(model.loss(*batch())["loss_erasing"], 3 * plain)


def test_after_an_error_nothing_is_doubled_or_kept():
    model = build(erasing=erasing(), taps={"late": "backbone.layer4.0"})
    with pytest.raises(RuntimeError):
        model.loss(torch.zeros(2, 5, 64, 64), batch(2)[1])
    images, _ = batch()
    assert len(model.backbone(images)[0]) == IMAGES
    assert model._taps["late"][0].output is None
    assert all("forward" not in vars(module) for module in model.modules())


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"taps": {"b1": "backbone.layer9"}}, r"taps.b1 names 'backbone.layer9'.*conv1.*layer4"),
        ({"taps": ["backbone.layer3"]}, r"taps must be a dict of module names by key"),
        ({"layers": [{"after": "layer4", "layer": SCALED}]}, "layers names 'layer4'"),
        ({"erasing": erasing(after="backbone.layer4.7")}, "erasing.after names"),
        ({"erasing": erasing(loss="l2")}, r"erasing.loss must be one of .*got 'l2'"),
        ({"erasing": erasing(batch_norm="both")}, r"erasing.batch_norm must be one of .*'both'"),
    ],
)
def test_errors_name_the_key_and_what_there_is(keys, message):
    with pytest.raises(ValueError, match=message):
        build(**keys)


def test_a_branch_that_begins_behind_the_feature_is_refused():
    model = build(erasing=erasing(after="head.hidden"))
    with pytest.raises(ValueError, match=r"erasing.after='head.hidden' does not stand before"):
        model.loss(*batch())
