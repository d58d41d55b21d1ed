"""loss_we on MMDetection's own single-stage detectors."""

import copy

import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.structures import DetDataSample

from wsol_mm.models.dense_heads import WERetinaHead
from wsol_mm.models.detectors import BCDSingleStageDetector
from wsol_mm.models.losses import WeightedEntropyLoss
from wsol_mm.models.losses.weighted_entropy_mixin import LossCall, recorded_calls
from wsol_mm.registry import MODELS

WE = dict(type="wsol_mm.WeightedEntropyLoss", gamma=2, alpha=0.25, tau1=0.5, tau2=0.5)
BASES = {
    "wsol_mm.WERetinaHead": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "wsol_mm.WEFCOSHead": "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
}


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture(scope="module", params=BASES)
def model_cfg(request):
    """MMDetection's own config with a small backbone and our head."""
    cfg = copy.deepcopy(get_config(BASES[request.param]).model)
    cfg.type = "wsol_mm.BCDSingleStageDetector"
    cfg.backbone = dict(
        type="mmpretrain.ResNet", depth=18, base_channels=8, out_indices=(0, 1, 2, 3)
    )
    cfg.neck.update(in_channels=[8, 16, 32, 64], out_channels=32)
    cfg.bbox_head.update(type=request.param, num_classes=1, in_channels=32, feat_channels=64)
    return cfg


def build(model_cfg, loss_we=WE, eta=0.5) -> BCDSingleStageDetector:
    cfg = copy.deepcopy(model_cfg)
    cfg.bbox_head.loss_we = loss_we
    torch.manual_seed(0)
    model = MODELS.build({**cfg, "eta": eta})
    model.init_weights()
    return model


def losses_of(model) -> dict:
    shapes = dict.fromkeys(("img_shape", "pad_shape", "ori_shape"), (96, 96))
    sample = DetDataSample(metainfo={**shapes, "scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[10.0, 10, 60, 70]]), labels=torch.zeros(1, dtype=torch.int64)
    )
    torch.manual_seed(2)
    return model.loss(torch.randn(1, 3, 96, 96), [sample])


def as_float(value) -> float:
    return sum(v.item() for v in value) if isinstance(value, list | tuple) else value.item()


def test_eta_and_loss_we(model_cfg):
    whole = losses_of(build(model_cfg, eta=0.5))
    half = losses_of(build(model_cfg, eta=0.25))
    plain = losses_of(build(model_cfg, loss_we=None))
    assert set(whole) - set(plain) == {"loss_we"}
    for key, value in plain.items():
        assert as_float(value) == as_float(whole[key]) == 2 * as_float(half[key]) > 0, key
    assert as_float(whole["loss_we"]) == as_float(half["loss_we"]) > 0


def test_every_prediction_counts_once(model_cfg):
    model = build(model_cfg)
    with recorded_calls(model.bbox_head.loss_cls) as calls:
        losses = losses_of(model)
    logits = torch.cat([call.cls_score for call in calls])
    weights = [call.weight for call in calls if call.weight is not None]
    if weights:
        logits = logits[torch.cat(weights) > 0]
    assert len(logits) >= 12 * 12  # stride 8 alone has as many points
    loss = WeightedEntropyLoss(
        gamma=2, alpha=0.25, tau1=0.5, tau2=0.5, use_sigmoid=True, reduction="sum"
    )
    expected = loss(logits) / float(calls[0].avg_factor)
    assert as_float(losses["loss_we"]) == pytest.approx(expected.item(), rel=1e-5)


def test_positives_are_counted(model_cfg):
    model = build(model_cfg, loss_we=dict(**WE, normalizer="positives"))
    with recorded_calls(model.bbox_head.loss_cls) as calls:
        losses = losses_of(model)
    positives = sum(int((call.target == 0).sum()) for call in calls)
    assert positives > 0
    # both heads divide their classification loss by the number of positives
    assert float(calls[0].avg_factor) == positives
    expected = losses_of(build(model_cfg))["loss_we"]
    assert as_float(losses["loss_we"]) == pytest.approx(as_float(expected), rel=1e-5)


def test_entropy_alone_trains_the_classifier(model_cfg):
    model = build(model_cfg)
    losses_of(model)["loss_we"].backward()
    predictor = getattr(model.bbox_head, "retina_cls", None) or model.bbox_head.conv_cls
    assert predictor.weight.grad.abs().sum() > 0


def test_predictions_carry_over(model_cfg):
    """The head adds a loss, nothing else: the same weights load and predict the same."""
    ours, plain = build(model_cfg), build(model_cfg, loss_we=None)
    plain.load_state_dict(ours.state_dict(), strict=True)
    ours.eval()
    plain.eval()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), plain(images), rtol=0, atol=0)


def test_calls_that_are_no_levels_are_refused():
    head = WERetinaHead(num_classes=1, in_channels=8, feat_channels=8, loss_we=WE)
    calls = [
        LossCall(torch.zeros(2, 1), torch.zeros(2).long(), None, avg_factor)
        for avg_factor in (1.0, 2.0)
    ]
    with pytest.raises(ValueError, match="different avg_factor"):
        head.weighted_entropy(calls)
