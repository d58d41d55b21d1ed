"""GuidedClassifier: losses in full view, routes, frozen teachers, students of all kinds."""

import copy
import pickle

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from wsol_mm.engine.seed_hook import seed_everything
from wsol_mm.functional.distillation import activation_guidance, logits_guidance
from wsol_mm.models.classifiers import GuidedClassifier, guided_classifier
from wsol_mm.registry import MODELS

CLASSES, SIDE = 5, 8
NETWORK = {
    "type": "wsol_mm.WSOLClassifier",
    "backbone": {"type": "ResNet", "depth": 18, "base_channels": 8, "strides": (1, 2, 1, 1)},
    "head": {
        "type": "wsol_mm.CausalCAMHead",
        "num_classes": CLASSES,
        "in_channels": 64,
        "context_pool": {"type": "wsol_mm.CausalContextPool", "size": SIDE},
        "combination": {"name": "linear"},
    },
}
TEACHERS = {
    "cls_teacher": {"config": NETWORK, "checkpoint": "cls.pth"},
    "loc_teacher": {"config": NETWORK, "checkpoint": "loc.pth"},
}
LOGITS = {"type": "wsol_mm.LogitsGuidanceLoss", "temperature": 2.0}
ACTIVATIONS = {"type": "wsol_mm.ActivationGuidanceLoss", "temperature": 0.3}
STRONG = {"cls_guidance": LOGITS, "loc_guidance": ACTIVATIONS}
LOGGED = {"enhancement", "map_correlation"}


def fill(model, seed):
    """Weights that draw maps and fill the pool."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    if hasattr(model.head, "context_pool"):
        torch.nn.init.normal_(model.head.fc.weight, std=0.5)
        torch.nn.init.normal_(model.head.context_pool.contexts)


def build(*, seed=0, **keys):
    """A student in training with two teachers of other weights; nothing is read from files."""
    torch.manual_seed(seed)
    settings = {k: v for k, v in NETWORK.items() if k != "type"} | TEACHERS | STRONG | keys
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = GuidedClassifier(**copy.deepcopy(settings))
    fill(model, seed)
    for number, teacher in enumerate(model.teachers.values(), start=1):
        fill(teacher.network, seed + number)
    return model.train()


def batch(count=4):
    images = torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    return images, [DataSample().set_gt_label(index % CLASSES) for index in range(count)]


def class_maps(features, head):
    return torch.stack(
        [
            torch.stack([torch.einsum("c,chw->hw", row, one) for row in head.fc.weight])
            for one in features
        ]
    )


def learning(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def step(model, data=None):
    losses = model.loss(*(data or batch()))
    model.zero_grad()
    sum(value for key, value in losses.items() if "loss" in key).backward()
    with torch.no_grad():
        for parameter in learning(model):
            parameter -= 0.05 * parameter.grad
    return losses


def count_passes(monkeypatch, model):
    """Images that each teacher's backbone gets."""
    seen = {}
    for kind, teacher in model.teachers.items():
        seen[kind] = []
        plain = teacher.network.backbone.forward

        def counted(images, kind=kind, plain=plain):
            seen[kind].append(images)
            return plain(images)

        monkeypatch.setattr(teacher.network.backbone, "forward", counted)
    return seen


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("alpha", [0.8, 1.0])
def test_losses_written_out(rho, alpha):
    model = build(alpha=alpha, head={**NETWORK["head"], "rho": rho}).eval()
    images, samples = batch()
    labels = torch.cat([sample.gt_label for sample in samples])
    found = model.loss(images, samples)

    features = model.extract_feat(images)[-1]
    z = model.head.fc(features.mean((2, 3)))
    enhanced = model.head.context_pool(features, z)
    z_e = model.head.fc(enhanced.mean((2, 3)))
    cls, loc = (teacher.network for teacher in model.teachers.values())
    expert_maps = class_maps(loc.head.pre_logits(loc.extract_feat(images)), loc.head)
    expected = {
        "loss": (1 - alpha) * F.cross_entropy(z_e, labels),
        "loss_cls_guidance": alpha * logits_guidance(z_e, cls(images), 2.0).mean(),
        "loss_loc_guidance": alpha
        * ((class_maps(enhanced, model.head) / 0.3).softmax(1) - (expert_maps / 0.3).softmax(1))
        .square()
        .mean(),
    }
    if rho:
        expected["loss_first"] = (1 - alpha) * rho * F.cross_entropy(z, labels)
    assert set(found) == set(expected) | LOGGED
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6)
    assert found["loss_cls_guidance"] > 0.0005
    assert found["loss_loc_guidance"] > 0.0005


def test_keys_reach_the_functions():
    model = build(
        cls_guidance={**LOGITS, "temperature": 3.0, "kl_input": "probabilities"},
        loc_guidance={"type": "wsol_mm.ActivationGuidanceLoss", "squash": "sigmoid"},
    ).eval()
    images, samples = batch()
    found = model.loss(images, samples)
    cls, loc = (teacher.network for teacher in model.teachers.values())
    slip = logits_guidance(model(images), cls(images), 3.0, kl_input="probabilities")
    torch.testing.assert_close(found["loss_cls_guidance"], 0.8 * slip.mean())
    maps = (
        class_maps(each.head.pre_logits(each.extract_feat(images)), each.head)
        for each in (model, loc)
    )
    loss = activation_guidance(*maps, 15.0, squash="sigmoid")
    torch.testing.assert_close(found["loss_loc_guidance"], 0.8 * loss.mean())


def test_no_guidance_where_student_equals_expert():
    model = build().eval()
    for teacher in model.teachers.values():
        teacher.network.load_state_dict(model.state_dict())
    losses = model.loss(*batch())
    assert losses["loss_cls_guidance"] == 0
    assert losses["loss_loc_guidance"] == 0


def test_alpha_zero_is_ci_cam_and_runs_no_teacher(monkeypatch):
    model = build(alpha=0.0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(copy.deepcopy(NETWORK)).train()
    plain.load_state_dict(model.state_dict())
    seen = count_passes(monkeypatch, model)
    for _ in range(2):
        left, right = step(model), step(plain)
        assert left.keys() == right.keys()
    assert seen == {"cls": [], "loc": []}
    for key, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


@pytest.mark.parametrize("kind", ["cls", "loc"])
def test_one_teacher_alone(kind):
    other = "loc" if kind == "cls" else "cls"
    losses = build(**{f"{other}_teacher": None}).loss(*batch())
    assert set(losses) == {"loss", "loss_first", f"loss_{kind}_guidance"} | LOGGED


@pytest.mark.parametrize("key", ["loss_cls_guidance", "loss_loc_guidance"])
def test_guidance_teaches_the_whole_student(key):
    model = build()
    model.loss(*batch())[key].backward()
    for name, parameter in model.named_parameters():
        untouched = key == "loss_loc_guidance" and name == "head.fc.bias"
        assert (parameter.grad is None) == (untouched or name.startswith("teachers.")), name
    assert model.backbone.conv1.weight.grad.abs().sum() > 0
    assert model.head.context_pool.projection.weight.grad.abs().sum() > 0


def test_the_pool_moves_as_without_teachers():
    model = build()
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(copy.deepcopy(NETWORK)).train()
    plain.load_state_dict(model.state_dict())
    before = model.head.context_pool.contexts.clone()
    samples = [DataSample().set_gt_label(label.item()) for label in first_labels(model)]
    model.loss(batch()[0], samples)
    plain.loss(batch()[0], samples)
    contexts = model.head.context_pool.contexts
    assert not torch.equal(contexts, before)
    assert torch.equal(contexts, plain.head.context_pool.contexts)


def first_labels(model):
    """What the first branch predicts in training mode, so that the pool is updated."""
    twin = copy.deepcopy(model)
    return twin.head.first_branch(twin.extract_feat(batch()[0]))[1].argmax(1)


# --- routes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("routes", [[1, 2, 0, 1], [0, 0, 0, 0], [2, 2, 2, 2]])
def test_random_routing_gives_each_image_one_teacher(routes, monkeypatch):
    monkeypatch.setattr(guided_classifier, "draw_routes", lambda *_: torch.tensor(routes))
    model = build(routing="random").eval()
    images, samples = batch()
    seen = count_passes(monkeypatch, model)
    found = model.loss(images, samples)
    seen = {kind: [len(each) for each in given] for kind, given in seen.items()}
    for number, kind in enumerate(("cls", "loc"), start=1):
        own = images[torch.tensor(routes) == number]
        assert seen[kind] == ([len(own)] if len(own) else [])
        value = found[f"loss_{kind}_guidance"]
        if not len(own):
            assert value == 0
            continue
        # the mean over its own images: what all of them would give if they were the batch
        monkeypatch.setattr(model, "routing", "all")
        alone = model.loss(own, samples[: len(own)])[f"loss_{kind}_guidance"]
        monkeypatch.setattr(model, "routing", "random")
        torch.testing.assert_close(value, alone, rtol=1e-4, atol=1e-6)
    sum(v for k, v in found.items() if "loss" in k).backward()  # without any guidance too
    assert all(parameter.grad is not None for parameter in learning(model))


# --- frozen and outside --------------------------------------------------------------------------


def test_teachers_are_submodules_that_checkpoints_leave_out(tmp_path):
    model = build()
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(copy.deepcopy(NETWORK))
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert get_state_dict(model).keys() == plain.state_dict().keys()
    layer = model.get_submodule("teachers.loc.network.backbone.layer4")
    seen = []
    layer.register_forward_hook(lambda _module, _args, output: seen.append(output.shape))
    model.loss(*batch())
    assert seen == [(4, 64, SIDE, SIDE)]
    model.train()
    for teacher in model.teachers.values():
        assert not any(module.training for module in teacher.modules())
        assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert {p.dtype for p in model.double().parameters()} == {torch.float64}
    assert model.teachers["loc"].network.head.context_pool.contexts.dtype == torch.float64
    assert {p.device.type for p in model.to("meta").parameters()} == {"meta"}


@pytest.mark.parametrize("load", [torch.nn.Module.load_state_dict, load_state_dict])
def test_loading_a_student_is_complete_and_leaves_teachers_as_they_are(load):
    model, other = build(), build(seed=5)
    teachers = [copy.deepcopy(t.network.state_dict()) for t in model.teachers.values()]
    load(model, other.state_dict(), strict=True)
    for key, value in other.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    for teacher, state in zip(model.teachers.values(), teachers, strict=True):
        for key, value in teacher.network.state_dict().items():
            assert torch.equal(value, state[key]), key
    state = other.state_dict()
    del state["backbone.conv1.weight"]
    with pytest.raises(RuntimeError, match=r"backbone\.conv1\.weight"):
        load(model, state, strict=True)


@pytest.mark.parametrize("shares", [None, {"custom_keys": {"backbone": {"lr_mult": 0.1}}}])
def test_an_optimizer_moves_the_student_alone(shares):
    model = build()
    settings = {"type": "OptimWrapper", "optimizer": {"type": "Adam", "lr": 0.1}}
    wrapper = build_optim_wrapper(
        model, {**settings, **({"paramwise_cfg": shares} if shares else {})}
    )
    before = [p.clone() for p in model.teachers.parameters()]
    wrapper.update_params(sum(v for k, v in model.loss(*batch()).items() if "loss" in k))
    assert all(torch.equal(*pair) for pair in zip(before, model.teachers.parameters(), strict=True))
    assert len(wrapper.optimizer.state) == len(learning(model))


def test_training_leaves_teachers_as_they_are():
    model = build()
    before = [copy.deepcopy(t.network.state_dict()) for t in model.teachers.values()]
    student = copy.deepcopy(model.state_dict())
    for _ in range(2):
        step(model)
    for teacher, state in zip(model.teachers.values(), before, strict=True):
        for key, value in teacher.network.state_dict().items():
            assert torch.equal(value, state[key]), key
        assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not torch.equal(model.backbone.conv1.weight, student["backbone.conv1.weight"])


def test_prediction_is_the_plain_classifiers(monkeypatch):
    model = build().eval()
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(copy.deepcopy(NETWORK)).eval()
    plain.load_state_dict(model.state_dict())
    seen = count_passes(monkeypatch, model)
    images = batch()[0]
    for ours, theirs in zip(model.predict(images), plain.predict(images), strict=True):
        assert torch.equal(ours.pred_maps, theirs.pred_maps)
        assert torch.equal(ours.pred_score, theirs.pred_score)
    assert seen == {"cls": [], "loc": []}


def test_copies_pickles_and_averages():
    model = build().eval()
    losses = model.loss(*batch())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        for key, value in twin.loss(*batch()).items():
            assert torch.equal(value, losses[key])
    average = ExponentialMovingAverage(model)
    average.update_parameters(model)
    assert average.module.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("routing", ["all", "random"])
def test_resume_is_exact(routing):
    def epochs(model, numbers):
        for number in numbers:
            seed_everything(0, number, 0)  # as wsol_mm.SeedHook does
            step(model)
            step(model)

    whole, first, second = (build(routing=routing) for _ in range(3))
    epochs(whole, [0, 1])
    epochs(first, [0])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    epochs(second, [1])
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_the_student_starts_as_it_would_without_teachers():
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        torch.manual_seed(7)
        plain = MODELS.build(copy.deepcopy(NETWORK))
        plain.init_weights()
        torch.manual_seed(7)
        settings = copy.deepcopy({**NETWORK, **TEACHERS, **STRONG})
        settings["type"] = "wsol_mm.GuidedClassifier"
        for teacher in ("cls_teacher", "loc_teacher"):
            settings[teacher]["checkpoint"] = None
        model = MODELS.build(settings)
        model.init_weights()
    for key, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key


# --- students and teachers of every kind ---------------------------------------------------------


RESNET = {"type": "ResNet", "depth": 18, "base_channels": 4, "strides": (1, 2, 1, 1)}
PLAIN = {
    "backbone": RESNET,
    "neck": {"type": "GlobalAveragePooling"},
    "head": {"type": "LinearClsHead", "num_classes": CLASSES, "in_channels": 32},
}
CAM = {
    "backbone": RESNET,
    "head": {"type": "wsol_mm.CAMHead", "num_classes": CLASSES, "in_channels": 32},
}
NL_CCAM = {
    "backbone": RESNET,
    "head": {
        "type": "wsol_mm.CombinationalCAMHead",
        "num_classes": CLASSES,
        "in_channels": 32,
        "combination": {"name": "linear"},
    },
}


@pytest.mark.parametrize("student", [PLAIN, CAM, NL_CCAM])
@pytest.mark.parametrize("teacher", [NETWORK, {"type": "ImageClassifier", **PLAIN}])
def test_any_classifier_can_be_the_student(student, teacher):
    teachers = {"config": teacher, "checkpoint": None}
    model = build(cls_teacher=teachers, loc_teacher=teachers, **student).eval()
    images, samples = batch()
    found = model.loss(images, samples)
    ours = class_maps(model.backbone(images)[-1], model.head)
    logits = model.head.fc(model.backbone(images)[-1].mean((2, 3)))
    cls, loc = (each.network for each in model.teachers.values())
    theirs = loc.backbone(images)[-1]
    if teacher is NETWORK:
        theirs = loc.head.pre_logits((theirs,))
    expected = {
        "loss": 0.2 * F.cross_entropy(logits, torch.arange(4)),
        "loss_cls_guidance": 0.8 * logits_guidance(logits, cls(images), 2.0).mean(),
        "loss_loc_guidance": 0.8
        * activation_guidance(ours, class_maps(theirs, loc.head), 0.3).mean(),
    }
    assert set(found) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6)
    step(model.train())
    assert model.predict(images)[0].pred_score.shape == (CLASSES,)


EFFICIENT = {
    "type": "ImageClassifier",
    "backbone": {"type": "EfficientNet", "arch": "b0"},
    "neck": {"type": "GlobalAveragePooling"},
    "head": {"type": "LinearClsHead", "num_classes": CLASSES, "in_channels": 1280},
}


def test_any_classifier_teaches_classes():
    model = build(cls_teacher={"config": EFFICIENT, "checkpoint": None}).eval()
    images, samples = batch()
    expected = logits_guidance(model(images), model.teachers["cls"].network(images), 2.0).mean()
    torch.testing.assert_close(model.loss(images, samples)["loss_cls_guidance"], 0.8 * expected)


def test_maps_are_guided_between_networks_that_draw_them():
    unpooled = {**EFFICIENT, "neck": {"type": "GeneralizedMeanPooling"}}
    with pytest.raises(ValueError, match="loc_teacher: its head is a LinearClsHead, expected"):
        build(loc_teacher={"config": unpooled, "checkpoint": None})
    acol = {**NETWORK, "head": {"type": "wsol_mm.ACoLHead", "num_classes": 5, "in_channels": 64}}
    with pytest.raises(ValueError, match="loc_teacher: its head is a ACoLHead, expected"):
        build(loc_teacher={"config": acol, "checkpoint": None})
    student = {key: unpooled[key] for key in ("backbone", "neck", "head")}
    with pytest.raises(ValueError, match="guided by loc_teacher: its head is a LinearClsHead"):
        build(**student)
    losses = build(**student, loc_teacher=None).loss(*batch())
    assert set(losses) == {"loss", "loss_cls_guidance"}


def test_maps_of_another_network_and_size_are_resized():
    plain = {
        "type": "ImageClassifier",
        "backbone": {"type": "ResNet", "depth": 18, "base_channels": 4},
        "head": {"type": "wsol_mm.CAMHead", "num_classes": CLASSES, "in_channels": 32},
    }
    model = build(loc_teacher={"config": plain, "checkpoint": None}).eval()
    images, samples = batch()
    loc = model.teachers["loc"].network
    small = class_maps(loc.extract_feat(images)[-1], loc.head)
    assert small.shape[2:] == (2, 2)
    ours = class_maps(model.head.pre_logits(model.extract_feat(images)), model.head)
    expected = activation_guidance(ours, F.interpolate(small, (SIDE, SIDE), mode="bilinear"), 0.3)
    torch.testing.assert_close(
        model.loss(images, samples)["loss_loc_guidance"], 0.8 * expected.mean()
    )


def test_another_number_of_classes_is_refused():
    settings = {**EFFICIENT, "head": {**EFFICIENT["head"], "num_classes": 7}}
    model = build(cls_teacher={"config": settings, "checkpoint": None})
    with pytest.raises(ValueError, match=r"student \(4, 5\) and expert \(4, 7\) differ"):
        model.loss(*batch())


def test_a_teacher_with_its_own_normalisation_sees_the_same_pixels(monkeypatch):
    ours = {"mean": [100.0, 110.0, 120.0], "std": [50.0, 60.0, 70.0], "to_rgb": True}
    theirs = {"mean": [127.5] * 3, "std": [127.5] * 3, "to_rgb": False}
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    data = {"inputs": pixels, "data_samples": batch(2)[1]}
    for wanted in (theirs, ours, None):
        settings = dict(EFFICIENT) if wanted is None else {**EFFICIENT, "data_preprocessor": wanted}
        model = build(
            cls_teacher={"config": settings, "checkpoint": None},
            loc_teacher=None,
            data_preprocessor=ours,
        )
        seen = count_passes(monkeypatch, model)
        inputs = model.data_preprocessor(data)["inputs"]
        model.loss(inputs, data["data_samples"])
        (given,) = seen["cls"]
        teacher = model.teachers["cls"].network.data_preprocessor
        expected = inputs if wanted is None else teacher(data)["inputs"]
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)


def test_half_precision_outside():
    exact, mixed = build(), build()
    expected = exact.loss(*batch())
    with torch.autocast("cpu", torch.bfloat16):
        losses = mixed.loss(*batch())
    for key, value in losses.items():
        assert value.dtype == torch.float32, key
        torch.testing.assert_close(value, expected[key], rtol=0.2, atol=0.05)
    sum(value for key, value in losses.items() if "loss" in key).backward()
    assert all(parameter.grad.isfinite().all() for parameter in learning(mixed))


def test_constant_maps_and_two_images():
    model = build(routing="random")
    for network in (model, *(teacher.network for teacher in model.teachers.values())):
        torch.nn.init.zeros_(network.head.fc.weight)
    for _ in range(4):
        assert all(value.isfinite() for value in step(model, batch(2)).values())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


# --- checkpoints ---------------------------------------------------------------------------------


def expert(seed):
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(copy.deepcopy(NETWORK))
    fill(model, seed)
    return model


def test_checkpoints_are_read_when_training_starts(tmp_path):
    first, second = expert(11), expert(12)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "best_top1_cls_epoch_7.pth")
    plain = {f"module.{key}": value for key, value in second.state_dict().items()}
    torch.save(plain, tmp_path / "loc.pth")
    model = build(
        cls_teacher={"config": NETWORK, "checkpoint": str(tmp_path / "best_*.pth")},
        loc_teacher={"config": NETWORK, "checkpoint": str(tmp_path / "loc.pth")},
    )
    model.init_weights()
    for teacher, source in zip(model.teachers.values(), (first, second), strict=True):
        for key, value in source.state_dict().items():
            assert torch.equal(teacher.network.state_dict()[key], value), key
        assert not any(module.training for module in teacher.network.modules())


def test_missing_and_unfit_checkpoints_name_the_key(tmp_path):
    def start(checkpoint):
        teacher = {"config": NETWORK, "checkpoint": str(checkpoint)}
        build(cls_teacher=teacher, loc_teacher=None).init_weights()

    missing = tmp_path / "best_*.pth"
    with pytest.raises(FileNotFoundError, match=r"model.cls_teacher.checkpoint=.*no such file"):
        start(missing)
    for epoch in (1, 2):
        (tmp_path / f"best_epoch_{epoch}.pth").touch()
    with pytest.raises(FileNotFoundError, match=r"2 files fit \(best_epoch_1.pth, best_epoch_2"):
        start(missing)
    other = {key: value for key, value in expert(1).state_dict().items() if "layer4" not in key}
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"cls_teacher.checkpoint: .*other.pth does not hold"):
        start(tmp_path / "other.pth")


def test_a_config_file_brings_its_preprocessing(tmp_path):
    config = tmp_path / "teacher.py"
    config.write_text(
        f"model = {EFFICIENT}\ndata_preprocessor = dict(mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True)"
    )
    model = build(cls_teacher={"config": str(config), "checkpoint": None})
    preprocessor = model.teachers["cls"].network.data_preprocessor
    assert preprocessor.mean.flatten().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"alpha": 1.5}, r"alpha=1.5: expected a share in \[0, 1\]"),
        ({"routing": "some"}, "routing='some': expected one of"),
        (
            {"cls_guidance": {**LOGITS, "temperature": 0}},
            "temperature=0: expected a positive number",
        ),
        ({"loc_guidance": {**ACTIVATIONS, "squash": "relu"}}, "squash='relu': expected one of"),
        ({"cls_guidance": None}, "cls_teacher needs a loss: cls_guidance="),
        ({"cls_teacher": None, "loc_teacher": None}, "needs cls_teacher or loc_teacher"),
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
