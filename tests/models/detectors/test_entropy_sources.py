"""Every detector that takes the entropy: which samples count, divisors, images without boxes."""

import copy
import functools
import multiprocessing
import socket

import pytest
import torch

pytest.importorskip("mmcv._ext")
import small_detectors
import two_ranks
from mmdet.models.losses import QualityFocalLoss
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from small_detectors import NAMES, QUERIES, TWO_STAGE, WE, as_float, batch, build, losses_of

from wsol_mm.models.losses import WeightedEntropyLoss
from wsol_mm.registry import MODELS

BOXES = ([[10, 10, 60, 70]], [[30, 20, 80, 80], [5, 5, 40, 50]])
PLAIN = dict(type="wsol_mm.WeightedEntropyLoss", form="entropy")
CONTEXT = multiprocessing.get_context("forkserver")


@functools.cache
def once(name):
    """Each detector, built once; tests leave it as it was."""
    return build(name)


@pytest.fixture
def model(name):
    """A detector in training, without gradients."""
    found = once(name)
    state = copy.deepcopy(found.state_dict())
    yield found.train()
    found.zero_grad()
    found.load_state_dict(state)
    found.eta, found.loss_we = 0.5, MODELS.build(dict(WE, use_sigmoid=name not in TWO_STAGE))


def recorded(model, *data):
    """Losses of a pass, and the samples of each stage."""
    taken = []
    plain = model.source.taught

    def taught():
        taken.extend(plain())
        return list(taken)

    model.source.taught = taught
    losses = losses_of(model, *data)
    del model.source.taught
    return losses, taken


@pytest.mark.parametrize("name", NAMES)
def test_eta_scales_all_but_the_entropy(model):
    found, state = [], copy.deepcopy(model.state_dict())
    for eta in (0.5, 0.25, 1.0):
        model.load_state_dict(state)
        model.eta = eta
        model.loss_we = None if eta == 1 else model.loss_we
        found.append(losses_of(model, *batch(*BOXES)))
    whole, half, plain = found
    assert set(whole) - set(plain) == {"loss_we"}
    supervised = {key: as_float(value) for key, value in plain.items() if "loss" in key}
    assert len(supervised) >= 2
    assert sum(supervised.values()) > 0
    for key, value in supervised.items():
        assert as_float(whole[key]) == pytest.approx(value / 2, rel=1e-5), key
        assert as_float(half[key]) == pytest.approx(value / 4, rel=1e-5), key
    assert as_float(whole["loss_we"]) == as_float(half["loss_we"]) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_entropy_is_that_of_every_counted_sample(name, model):
    losses, stages = recorded(model, *batch(*BOXES))
    use_sigmoid = name not in TWO_STAGE
    entropy = WeightedEntropyLoss(
        gamma=2, alpha=0.25, tau1=0.5, tau2=0.5, use_sigmoid=use_sigmoid, reduction="sum"
    )
    expected = 0.0
    for stage in stages:
        logits = stage.logits[stage.counted > 0]
        divisor = len(logits) if name in TWO_STAGE else stage.positives.item()
        expected += entropy(logits).item() / max(divisor, 1)
    assert losses["loss_we"].item() == pytest.approx(expected, rel=1e-4)
    if name in QUERIES:
        number = model.detector.num_queries
        assert [len(stage.logits) for stage in stages] == [2 * number] * 2
        assert [stage.positives.item() for stage in stages] == [3, 3]
    else:
        assert len(stages) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_entropy_trains_the_classifier_and_not_the_boxes(name, model):
    losses_of(model, *batch(*BOXES))["loss_we"].backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(part in n for n in reached for part in ("cls", "fc_cls"))
    assert any("backbone" in n for n in reached)
    if name not in QUERIES:  # a query's next reference comes from its box
        ends = ("fc_reg", "retina_reg", "conv_reg", "atss_reg", "rtm_reg", "rpn_reg", "rpn_cls")
        assert not any(end in n for n in reached for end in ends)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_for_the_entropy_alone_moves_no_supervised_loss(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # batch norms see each image alone
    inputs, samples = batch(*BOXES, None)
    alone = losses_of(model, inputs[:2], samples[:2])
    marked = losses_of(model, inputs, samples)
    assert set(marked) == set(alone)
    for key, value in alone.items():
        if "loss" in key and key != "loss_we":
            assert as_float(marked[key]) == pytest.approx(as_float(value), rel=1e-4), key
    assert marked["loss_we"].item() != alone["loss_we"].item()
    third = losses_of(model, inputs[2:], samples[2:])
    assert all(as_float(v) == 0 for k, v in third.items() if "loss" in k and k != "loss_we")
    assert third["loss_we"].item() > 0


@pytest.mark.parametrize("name", NAMES)
def test_images_without_boxes_do_not_blow_the_entropy_up(name, model):
    """FCOS gave 2, 14 and 790 for 0, 1 and 8 such images of 8."""
    model.loss_we = MODELS.build(dict(PLAIN, use_sigmoid=name not in TWO_STAGE))
    found = []
    for without in (0, 1, 8):
        inputs, samples = batch(*[None] * without, *[BOXES[0]] * (8 - without))
        found.append(losses_of(model, inputs, samples)["loss_we"].item())
    assert 0 < found[1] < 1.5 * found[0]
    # no box anywhere: the mean over samples, of each stage
    assert 0 < found[2] <= 0.7 * (2 if name in QUERIES else 1)


@pytest.mark.parametrize("name", ["FCOS", "Deformable DETR"])
def test_images_of_background_do_not_blow_the_entropy_up(model):
    model.loss_we = MODELS.build(dict(PLAIN, use_sigmoid=True))
    whole = losses_of(model, *batch(*[BOXES[0]] * 8))["loss_we"].item()
    background = losses_of(model, *batch(*[[]] * 7, BOXES[0]))["loss_we"].item()
    assert 0 < background < 1.5 * whole


def test_two_ranks_exchange_equally_many_numbers_whatever_their_images(tmp_path):
    """A rank whose images have lost their boxes does not leave the other waiting."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [
        CONTEXT.Process(target=two_ranks.main, args=(tmp_path, rank, port)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert list(first) == list(second) == two_ranks.NAMES
    for name in two_ranks.NAMES:
        assert first[name]["exchanged"] == second[name]["exchanged"], name
        assert first[name]["supervised"] == 0 < second[name]["supervised"], name
        assert first[name]["loss_we"] > 0, name
        assert first[name]["norm"] == pytest.approx(second[name]["norm"], rel=1e-5), name


@pytest.mark.parametrize(
    "config", ["mmdet::yolox/yolox_tiny_8xb8-300e_coco.py", "mmdet::gfl/gfl_r50_fpn_1x_coco.py"]
)
def test_other_heads_are_refused(config):
    cfg = get_config(config).model
    cfg.backbone.init_cfg = None
    cfg = dict(type="wsol_mm.BinaryClassDetector", detector=cfg)
    with DefaultScope.overwrite_default_scope("mmdet"):
        assert MODELS.build(cfg).loss_we is None
        with pytest.raises(ValueError, match=r"entropy of (YOLOX|GFL)Head .* use one of ATSSHead"):
            MODELS.build({**cfg, "loss_we": WE})


def test_a_loss_that_reads_its_type_is_refused():
    quality = dict(type="mmdet.QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0)
    cfg = small_detectors.config("Deformable DETR")
    cfg.bbox_head.loss_cls = quality
    assert QualityFocalLoss.__name__ in quality["type"]
    with pytest.raises(ValueError, match="DeformableDETRHead with QualityFocalLoss as loss_cls"):
        build("Deformable DETR", bbox_head=cfg.bbox_head)


def test_a_head_of_ones_own_is_refused_until_it_is_listed():
    class Other(MODELS.get("mmdet.RetinaHead")):
        pass

    cfg = small_detectors.config("RetinaNet")
    cfg.bbox_head.type = Other
    with pytest.raises(ValueError, match="entropy of Other"):
        build("RetinaNet", bbox_head=cfg.bbox_head)


@pytest.mark.parametrize("name", ["RTMDet"])
def test_quality_is_what_rtmdet_divides_by(model):
    losses, (stage,) = recorded(model, *batch(*BOXES))
    assert 0 < stage.positives.item() < 26  # at most 13 points a box, each with a quality below 1
    total = WeightedEntropyLoss(
        gamma=2, alpha=0.25, tau1=0.5, tau2=0.5, use_sigmoid=True, reduction="sum"
    )(stage.logits)
    divisor = max(stage.positives.item(), 1)
    assert losses["loss_we"].item() == pytest.approx(total.item() / divisor, rel=1e-4)
